package kubernetes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// Webhooks is the YAML of config/webhook for an API server without Services: one that
// asks the webhooks at the URL, such as "https://127.0.0.1:9443".
func Webhooks(url string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "config", "webhook")
	content, err := os.ReadFile(filepath.Join(dir, "manifests.yaml"))
	if err != nil {
		return "", err
	}
	var configuration admissionv1.ValidatingWebhookConfiguration
	if err := yaml.UnmarshalStrict(bytes.TrimPrefix(content, []byte("---\n")), &configuration); err != nil {
		return "", fmt.Errorf("config/webhook/manifests.yaml: %w", err)
	}
	for i := range configuration.Webhooks {
		client := &configuration.Webhooks[i].ClientConfig
		address := url + *client.Service.Path
		client.URL, client.Service = &address, nil
	}
	pointed, err := yaml.Marshal(configuration)
	if err != nil {
		return "", err
	}
	secret, err := os.ReadFile(filepath.Join(dir, "secret.yaml"))
	return string(pointed) + "---\n" + string(secret), err
}
