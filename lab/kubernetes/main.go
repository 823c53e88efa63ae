// Command lab-kubernetes is every server of a Kubernetes node in one binary, the provisioner of local volumes, and the
// agent that enforces network policies.
//
// The first argument names the server; the rest are its own flags. One binary is linked once and shares its pages
// between the seven processes, which is most of what makes a cluster fit beside the platform on a small machine.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // the JSON log format
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metric
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var servers = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"local-volumes":           newLocalVolumesCommand,
	"network-policies":        newNetworkPoliciesCommand,
}

func main() {
	program := filepath.Base(os.Args[0])
	if len(os.Args) < 2 {
		fmt.Fprintf(os.Stderr, "usage: %s SERVER [FLAG]...\n", program)
		os.Exit(64)
	}
	create, known := servers[os.Args[1]]
	if !known {
		fmt.Fprintf(os.Stderr, "%s: there is no server %q\n", program, os.Args[1])
		os.Exit(64)
	}
	os.Args = os.Args[1:]
	os.Exit(cli.Run(create()))
}
