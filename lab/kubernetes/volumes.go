package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v11/controller"
)

// provisionerName is what a StorageClass names to get its volumes from here.
const provisionerName = "datamill.dev/local-volumes"

// localVolumes makes one directory of the node for each claim, and removes it with the volume.
type localVolumes struct {
	root string
}

func newLocalVolumesCommand() *cobra.Command {
	var kubeconfig, root string
	command := &cobra.Command{
		Use:   "local-volumes",
		Short: "Provision persistent volumes as directories of this node",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			provisioner := &localVolumes{root: root}
			ctx := command.Context()
			controller.NewProvisionController(ctx, client, provisionerName, provisioner,
				controller.LeaderElection(false)).Run(ctx)
			return nil
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "file with the address and the credentials of the API server")
	command.Flags().StringVar(&root, "root", "", "absolute path of the directory that holds the volumes")
	return command
}

// Provision makes the directory of a claim. The volume is bound to the node that the scheduler chose.
func (l *localVolumes) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*core.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if claim.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, errors.New("claims with a selector cannot be provisioned")
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != core.ReadWriteOnce && mode != core.ReadWriteOncePod {
			return nil, controller.ProvisioningFinished,
				fmt.Errorf("access mode %s is not possible with a directory of one node: use ReadWriteOnce", mode)
		}
	}
	if options.SelectedNode == nil {
		return nil, controller.ProvisioningFinished,
			errors.New("no node was selected: the StorageClass needs volumeBindingMode WaitForFirstConsumer")
	}
	path := filepath.Join(l.root, options.PVName)
	// Owned by root, as a disk of a cloud is: a pod that runs as another user says so with fsGroup, here and there.
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			MountOptions:                  options.StorageClass.MountOptions,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource:        core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
				MatchExpressions: []core.NodeSelectorRequirement{{
					Key:      core.LabelHostname,
					Operator: core.NodeSelectorOpIn,
					Values:   []string{options.SelectedNode.Labels[core.LabelHostname]},
				}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes the directory of a volume, and nothing outside the root.
func (l *localVolumes) Delete(_ context.Context, volume *core.PersistentVolume) error {
	local := volume.Spec.Local
	if local == nil || filepath.Dir(local.Path) != filepath.Clean(l.root) {
		return fmt.Errorf("volume %s does not lie in %s: remove it by hand", volume.Name, l.root)
	}
	return os.RemoveAll(local.Path)
}
