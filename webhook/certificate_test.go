package webhook_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/cert"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/webhook/certificate"
)

// serverName is what the API server calls a server of webhooks by.
const serverName = "bursar-webhook.bursar-system.svc"

// TestCertificates follows an authority and the certificates that it signs through
// their lives.
func TestCertificates(t *testing.T) {
	ctx := t.Context()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t), Name: "authority"}}
	create(t, secret)
	configuration := newConfiguration(secret.Namespace)
	create(t, configuration)
	now := clocktesting.NewFakePassiveClock(time.Now())
	key := client.ObjectKeyFromObject(secret)
	server := certificate.NewServer(api, key, []string{serverName, "127.0.0.1"}, now)
	keeper := certificate.NewKeeper(api, key, configuration.Name, now)
	handshake := func() (*x509.Certificate, error) { return handshake(server) }

	if got, err := handshake(); err == nil {
		t.Fatalf("got %v, want an error while there is no authority", got.Subject)
	}

	testkit.Must(t, keeper.Keep(ctx))
	first, err := handshake()
	testkit.Must(t, err)
	expectTrusted(t, first, configuration, now.Now())
	versions := versionsOf(t, secret, configuration)
	testkit.Must(t, keeper.Keep(ctx))
	if got := versionsOf(t, secret, configuration); got != versions {
		t.Errorf("kept again: versions were %s, are %s", versions, got)
	}

	now.SetTime(now.Now().Add(11 * time.Hour))
	if again, err := handshake(); err != nil || !first.Equal(again) {
		t.Errorf("after eleven hours got another certificate (%v)", err)
	}
	now.SetTime(now.Now().Add(2 * time.Hour))
	second, err := handshake()
	testkit.Must(t, err)
	if second.Equal(first) {
		t.Error("after thirteen hours got the certificate that ends after 24")
	}
	expectTrusted(t, second, configuration, now.Now())

	// An authority that was taken away.
	testkit.Must(t, update(t, secret, func(s *corev1.Secret) { s.Data = nil }))
	now.SetTime(now.Now().Add(time.Minute))
	if still, err := handshake(); err != nil || !second.Equal(still) {
		t.Errorf("without an authority got another certificate (%v)", err)
	}
	testkit.Must(t, keeper.Keep(ctx))
	now.SetTime(now.Now().Add(time.Minute))
	third, err := handshake()
	testkit.Must(t, err)
	if third.Equal(second) {
		t.Error("got a certificate of an authority that was taken away")
	}
	expectTrusted(t, third, configuration, now.Now())

	// A configuration that was written anew.
	testkit.Must(t, update(t, configuration, func(c *admissionv1.ValidatingWebhookConfiguration) { c.Webhooks[0].ClientConfig.CABundle = nil }))
	testkit.Must(t, keeper.Keep(ctx))
	expectTrusted(t, third, configuration, now.Now())

	// A configuration of the other kind that comes later, as with an upgrade.
	later := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: configuration.Name}}
	for _, hook := range configuration.Webhooks {
		later.Webhooks = append(later.Webhooks, admissionv1.MutatingWebhook{
			Name: hook.Name, AdmissionReviewVersions: hook.AdmissionReviewVersions, SideEffects: hook.SideEffects,
			ClientConfig: admissionv1.WebhookClientConfig{URL: hook.ClientConfig.URL},
		})
	}
	create(t, later)
	testkit.Must(t, keeper.Keep(ctx))
	expectTrusted(t, third, configuration, now.Now())
	testkit.Must(t, api.Get(ctx, client.ObjectKeyFromObject(later), later))
	for i, hook := range later.Webhooks {
		if want := configuration.Webhooks[i].ClientConfig.CABundle; !bytes.Equal(hook.ClientConfig.CABundle, want) {
			t.Errorf("%s trusts %q, want %q", hook.Name, hook.ClientConfig.CABundle, want)
		}
	}

	// One whose end is near.
	now.SetTime(now.Now().AddDate(9, 6, 0))
	testkit.Must(t, keeper.Keep(ctx))
	fourth, err := handshake()
	testkit.Must(t, err)
	expectTrusted(t, fourth, configuration, now.Now().AddDate(0, 0, 1).Add(-time.Minute))
}

// handshake is the certificate that a client is shown.
func handshake(server *certificate.Server) (*x509.Certificate, error) {
	ours, theirs := net.Pipe()
	go func() {
		// Its errors are the client's, too.
		_ = tls.Server(theirs, &tls.Config{GetCertificate: server.GetCertificate}).Handshake()
		_ = theirs.Close()
	}()
	client := tls.Client(ours, &tls.Config{InsecureSkipVerify: true}) // the certificate is checked afterwards
	if err := client.Handshake(); err != nil {
		return nil, err
	}
	defer func() { _ = ours.Close() }()
	return client.ConnectionState().PeerCertificates[0], nil
}

// expectTrusted expects an API server that is told by the configuration to trust the
// certificate, whichever of its names it calls.
func expectTrusted(t *testing.T, got *x509.Certificate, configuration *admissionv1.ValidatingWebhookConfiguration, now time.Time) {
	t.Helper()
	testkit.Must(t, api.Get(t.Context(), client.ObjectKeyFromObject(configuration), configuration))
	for _, hook := range configuration.Webhooks {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(hook.ClientConfig.CABundle)
		for _, name := range []string{serverName, "127.0.0.1"} {
			if _, err := got.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
				t.Errorf("%s as %s: %v", hook.Name, name, err)
			}
		}
	}
}

func versionsOf(t *testing.T, objects ...client.Object) (versions string) {
	t.Helper()
	for _, object := range objects {
		testkit.Must(t, api.Get(t.Context(), client.ObjectKeyFromObject(object), object))
		versions += object.GetResourceVersion() + " "
	}
	return versions
}

// newConfiguration is of two webhooks for what there is none of.
func newConfiguration(name string) *admissionv1.ValidatingWebhookConfiguration {
	configuration := &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, hook := range []string{"one.example.com", "other.example.com"} {
		configuration.Webhooks = append(configuration.Webhooks, admissionv1.ValidatingWebhook{
			Name: hook, AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionv1.SideEffectClassNone),
			ClientConfig: admissionv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
		})
	}
	return configuration
}

// TestTwoManagers: one that does not lead serves the webhooks as well.
func TestTwoManagers(t *testing.T) {
	var configuration admissionv1.ValidatingWebhookConfiguration
	testkit.Must(t, api.Get(t.Context(), types.NamespacedName{Name: "bursar"}, &configuration))
	expectServed(t, "", configuration.Webhooks[0].ClientConfig.CABundle)
}

// TestCertificateOfSomebodyElse: a certificate in files is served as it is.
func TestCertificateOfSomebodyElse(t *testing.T) {
	certificate, key, err := cert.GenerateSelfSignedCertKey(serverName, nil, nil)
	testkit.Must(t, err)
	dir := t.TempDir()
	testkit.Must(t, os.WriteFile(filepath.Join(dir, "tls.crt"), certificate, 0o600))
	testkit.Must(t, os.WriteFile(filepath.Join(dir, "tls.key"), key, 0o600))
	expectServed(t, dir, certificate)
}

// expectServed expects one more manager to serve webhooks with a certificate that the roots verify.
func expectServed(t *testing.T, certificateDir string, trusted []byte) {
	t.Helper()
	address, err := freeAddress()
	testkit.Must(t, err)
	stop, err := startManager(address, certificateDir)
	testkit.Must(t, err)
	defer func() { testkit.Must(t, stop()) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trusted)
	testkit.EventuallySucceeds(t, "the webhooks at "+address, func() error {
		connection, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: serverName})
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

// TestCertManager: the component makes the manager serve what cert-manager makes, and
// the API server trust it.
func TestCertManager(t *testing.T) {
	dir := t.TempDir()
	config, err := filepath.Abs("../config")
	testkit.Must(t, err)
	// Past links, as kustomize goes.
	dir, err = filepath.EvalSymlinks(dir)
	testkit.Must(t, err)
	config, err = filepath.Rel(dir, config)
	testkit.Must(t, err)
	overlay := fmt.Sprintf("resources: [%[1]s/default]\ncomponents: [%[1]s/webhook/cert-manager]\n", config)
	testkit.Must(t, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o600))
	out, err := kubectl(t.Context(), "", "kustomize", dir)
	if err != nil {
		t.Fatal(err, out)
	}
	for _, want := range []string{
		"cert-manager.io/inject-ca-from: bursar-system/bursar-webhook\n", "kind: Certificate\n",
		"- --webhook-cert-dir=/certificates\n", "mountPath: /certificates\n", "secretName: bursar-webhook-certificate\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in what is applied", want)
		}
	}
	const trusting = "    cert-manager.io/inject-ca-from: bursar-system/bursar-webhook\n  name: bursar\nwebhooks:\n"
	if got := strings.Count(out, trusting); got != 2 {
		t.Errorf("%d configurations of webhooks trust what cert-manager makes, want 2", got)
	}
	if strings.Contains(out, "kind: Secret\n") {
		t.Error("the managers' own authority is there, too")
	}
}
