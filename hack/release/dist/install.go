package dist

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bursar-dev/bursar/hack/release/source"
)

// Install writes the manifests that `kubectl apply -f` installs: bursar-crds.yaml with the CRDs
// and the namespace, and bursar.yaml with the programs, whose images are in the registry.
func Install(ctx context.Context, from source.Source, kubectl, registry, directory string) error {
	config, err := filepath.EvalSymlinks(filepath.Join(from.Root, "config"))
	if err != nil {
		return err
	}
	var images strings.Builder
	for _, program := range []string{"manager", "enforcer", "console"} {
		name := "bursar-" + program
		if registry != "" {
			name = registry + "/" + name
		}
		fmt.Fprintf(&images, "- {name: bursar-%s, newName: %s, newTag: %s}\n", program, name, from.Version)
	}
	for file, resources := range map[string][]string{
		"bursar-crds.yaml": {"crd", "namespace"}, "bursar.yaml": {"default"}, "bursar-console.yaml": {"console"},
	} {
		rendered, err := kustomize(ctx, kubectl, config, images.String(), resources)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := write(directory, file, rendered); err != nil {
			return err
		}
	}
	return nil
}

func kustomize(ctx context.Context, kubectl, config, images string, resources []string) ([]byte, error) {
	directory, err := os.MkdirTemp("", "bursar-install-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	relative, err := filepath.Rel(directory, config)
	if err != nil {
		return nil, err
	}
	overlay := "resources:\n"
	for _, resource := range resources {
		overlay += "- " + relative + "/" + resource + "\n"
	}
	if err := os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(overlay+"images:\n"+images), 0o600); err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, kubectl, "kustomize", directory)
	command.Stderr = &stderr
	rendered, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return rendered, nil
}
