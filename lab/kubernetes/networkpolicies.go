package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/cobra"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// newNetworkPoliciesCommand is the part of kube-router that enforces NetworkPolicy, without its router and its proxy.
func newNetworkPoliciesCommand() *cobra.Command {
	settings := options.NewKubeRouterConfig()
	settings.RunFirewall, settings.EnableIPv4 = true, true
	command := &cobra.Command{
		Use:   "network-policies",
		Short: "Enforce the network policies of this node's pods",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", settings.Kubeconfig)
			if err != nil {
				return fmt.Errorf("kubeconfig %s: %w", settings.Kubeconfig, err)
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return enforce(command.Context(), client, settings)
		},
	}
	flags := command.Flags()
	flags.StringVar(&settings.Kubeconfig, "kubeconfig", "", "file with the address and the credentials of the API server")
	flags.StringVar(&settings.HostnameOverride, "hostname-override", "", "name of this node")
	flags.StringSliceVar(&settings.ClusterIPCIDRs, "service-cluster-ip-range", nil, "addresses of the cluster's services")
	return command
}

// enforce runs the controller until the context ends.
func enforce(ctx context.Context, client kubernetes.Interface, settings *options.KubeRouterConfig) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), pods.HasSynced, namespaces.HasSynced, policies.HasSynced) {
		return ctx.Err()
	}
	tables, sets, err := netpol.NewIPTablesHandlers(settings)
	if err != nil {
		return fmt.Errorf("iptables and ipset: %w", err)
	}
	var sharedSets sync.Mutex
	policing, err := netpol.NewNetworkPolicyController(
		client, settings, pods, policies, namespaces, &sharedSets, tables, sets)
	if err != nil {
		return fmt.Errorf("network policy controller: %w", err)
	}
	for informer, handler := range map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods: policing.PodEventHandler, namespaces: policing.NamespaceEventHandler, policies: policing.NetworkPolicyEventHandler,
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	// It tells how it is before each pass, and waits until somebody has heard it.
	beats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range beats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	policing.Run(beats, ctx.Done(), &running)
	running.Wait()
	return nil
}
