package kubernetes

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Webhooks is the YAML of config/webhook for an API server without Services, which calls the
// webhooks at the URL, such as "https://127.0.0.1:9443". A manager adds the authority to trust
// there.
func Webhooks(url string) (string, error) {
	configurations, err := WebhookConfigurations(url, nil)
	if err != nil {
		return "", err
	}
	var all bytes.Buffer
	for _, configuration := range configurations {
		text, err := yaml.Marshal(configuration.Object)
		if err != nil {
			return "", err
		}
		all.Write(append(text, "---\n"...))
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	secret, err := os.ReadFile(filepath.Join(root, "config", "webhook", "secret.yaml"))
	return all.String() + string(secret), err
}

// WebhookConfigurations are those of config/webhook for an API server that calls the webhooks at
// the URL and trusts the authority, a certificate in PEM, there; nil trusts none yet.
func WebhookConfigurations(url string, authority []byte) ([]*unstructured.Unstructured, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(filepath.Join(root, "config", "webhook", "manifests.yaml"))
	if err != nil {
		return nil, err
	}
	var configurations []*unstructured.Unstructured
	for document := range strings.SplitSeq(strings.TrimPrefix(string(content), "---\n"), "\n---\n") {
		configuration := &unstructured.Unstructured{}
		err := yaml.Unmarshal([]byte(document), &configuration.Object)
		if err == nil {
			err = askAt(configuration, url, authority)
		}
		if err != nil {
			return nil, fmt.Errorf("config/webhook/manifests.yaml: %w", err)
		}
		configurations = append(configurations, configuration)
	}
	return configurations, nil
}

// askAt makes a configuration call its webhooks at the URL instead of at a Service.
func askAt(configuration *unstructured.Unstructured, url string, authority []byte) error {
	webhooks, _, err := unstructured.NestedSlice(configuration.Object, "webhooks")
	if err != nil {
		return err
	}
	for _, webhook := range webhooks {
		fields := webhook.(map[string]any)
		path, found, err := unstructured.NestedString(fields, "clientConfig", "service", "path")
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("webhook %s has no Service with a path", fields["name"])
		}
		client := map[string]any{"url": url + path}
		if authority != nil {
			client["caBundle"] = base64.StdEncoding.EncodeToString(authority)
		}
		fields["clientConfig"] = client
	}
	return unstructured.SetNestedSlice(configuration.Object, webhooks, "webhooks")
}
