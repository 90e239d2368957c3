package cluster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// servingSecret is where cert-manager puts the certificate of the webhooks.
const servingSecret = "bursar-webhook-certificate"

// certificates are the specs of webhook certificates that cert-manager makes instead of the managers.
func certificates() {
	It("has cert-manager make the webhooks' certificates", NodeTimeout(6*time.Minute), func(ctx SpecContext) {
		step("cert-manager", func() { startCertManager(ctx) })
		l := under(ctx, func() {
			step("managers with its certificates", func() {
				helm(ctx, "upgrade", nowSource, now, "--set", "webhooks.certManager.enabled=true")
				rolledOut(ctx)
			})
		})
		l.noneFailed()
		l.booked(ctx)
		step("webhooks that ask with them", func() {
			kubectl(ctx, "-n", system, "wait", "--for=condition=Ready", "--timeout=60s", "certificates", "--all")
			eventually(ctx, "webhooks answer", func(g Gomega) { g.Expect(conflict(ctx)).To(MatchError(ContainSubstring("denied the request"))) })
		})
		serving(ctx, Default)
	})

	It("serves a renewed certificate without a restart, and refuses what it must all the time", NodeTimeout(6*time.Minute), func(ctx SpecContext) {
		old, managers := secret(ctx, servingSecret, `tls\.crt`), managersStarted(ctx)
		var took time.Duration
		tried, missed := conflictsWhile(ctx, func() {
			step("cert-manager renews a certificate", func() {
				renew(ctx)
				eventually(ctx, "there is another", func(g Gomega) { g.Expect(secret(ctx, servingSecret, `tls\.crt`)).NotTo(Equal(old)) })
			})
			took = step("managers serve it", func() {
				// Kubelets look for changes of Secrets every minute or so.
				Eventually(ctx, func(g Gomega) { serving(ctx, g) }).WithTimeout(3 * time.Minute).Should(Succeed())
			})
		})
		figure("a certificate that cert-manager renewed: all managers served it after %.1f s; of %d conflicts meanwhile, webhooks did not refuse %d", took.Seconds(), tried, missed)
		Expect(missed).To(BeZero())
		Expect(managersStarted(ctx)).To(Equal(managers))
	})

	It("makes certificates itself again, and leaves cert-manager's Secrets", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		made := authority(ctx)
		step("managers with certificates of their own", func() { helm(ctx, "upgrade", nowSource, now); rolledOut(ctx) })
		eventually(ctx, "the API server trusts the managers' authority", func(g Gomega) { g.Expect(authority(ctx)).NotTo(BeElementOf("", made)) })
		eventually(ctx, "webhooks answer", func(g Gomega) { g.Expect(conflict(ctx)).To(MatchError(ContainSubstring("denied the request"))) })
		kubectl(ctx, "-n", system, "delete", "secret", servingSecret, "bursar-webhook-authority")
	})
}

// startCertManager runs cert-manager, as whoever may do everything.
func startCertManager(ctx context.Context) {
	GinkgoHelper()
	kubectl(ctx, "apply", "--server-side", "-f", ".dev/e2e/definitions/cert-manager")
	kubectl(ctx, "wait", "--for=condition=Established", "--timeout=30s", "crd/certificates.cert-manager.io", "crd/certificaterequests.cert-manager.io")
	// As before cert-manager 1.19: newer versions make the API server also trust the previous authority,
	// so that even a self-signed certificate would do.
	const old = "--feature-gates=CAInjectorMerging=false"
	Expect(kube.Administer("cert-manager", filepath.Join(tools, "cert-manager"), old)).To(Succeed())
}

// renew asks cert-manager for the next certificate, as its command `cmctl renew` does.
func renew(ctx context.Context) {
	GinkgoHelper()
	const issuing = `[{"op": "add", "path": "/status/conditions/-", "value": {"type": "Issuing", "status": "True",
		"reason": "ManuallyTriggered", "message": "renewed by a test", "lastTransitionTime": "2026-01-01T00:00:00Z"}}]`
	kubectl(ctx, "-n", system, "patch", "certificate", "bursar-webhook", "--subresource=status", "--type=json", "-p", issuing)
}

// managersStarted are the managers' pods, and how often each has started again.
func managersStarted(ctx context.Context) []string {
	GinkgoHelper()
	return fields(ctx, "{.items[*].metadata.name} {.items[*].status.containerStatuses[0].restartCount}", "-n", system, "pods", "-l", component("manager"))
}

// conflictsWhile tries to apply a conflict again and again while something is done, and returns
// how often, and how often no webhook refused it: none does while the API server does not trust them.
func conflictsWhile(ctx context.Context, do func()) (tried, missed int) {
	GinkgoHelper()
	trying, stop := context.WithCancel(ctx)
	var attempts sync.WaitGroup
	attempts.Go(func() {
		defer GinkgoRecover()
		for ; trying.Err() == nil; time.Sleep(time.Second) {
			tried++
			if err := conflict(ctx); err == nil || !strings.Contains(err.Error(), "denied the request") {
				missed++
			}
		}
	})
	defer attempts.Wait()
	defer stop()
	do()
	return tried, missed
}

// serving expects all managers to serve the certificate that cert-manager made, and that to be
// what the API server trusts.
func serving(ctx context.Context, g Gomega) {
	GinkgoHelper()
	trusted, err := base64.StdEncoding.DecodeString(authority(ctx))
	g.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	g.Expect(roots.AppendCertsFromPEM(trusted)).To(BeTrue())
	made, _ := pem.Decode([]byte(secret(ctx, servingSecret, `tls\.crt`)))
	g.Expect(made).NotTo(BeNil())

	addresses := fields(ctx, "{.items[*].status.podIP}", "-n", system, "pods", "-l", component("manager"))
	g.Expect(addresses).To(HaveLen(2))
	for _, address := range addresses {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "bursar-webhook." + system + ".svc"}}
		connection, err := dialer.DialContext(ctx, "tcp", address+":9443")
		g.Expect(err).NotTo(HaveOccurred())
		served := connection.(*tls.Conn).ConnectionState().PeerCertificates[0]
		g.Expect(connection.Close()).To(Succeed())
		g.Expect(served.Raw).To(Equal(made.Bytes))
	}
}
