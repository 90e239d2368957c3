package certificate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// renewBefore is how long before its end an authority is replaced. It lasts ten years.
const renewBefore = 365 * 24 * time.Hour

// servingLife is how long the certificate of a server lasts. It is made anew when half
// of that is over, and starts early, for API servers whose clocks are behind.
const (
	servingLife = 24 * time.Hour
	behind      = time.Hour
)

// authority signs the certificates of the webhooks' servers.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	// pem is the certificate's.
	pem []byte
}

// newAuthority makes an authority, as the data of its Secret.
func newAuthority() (map[string][]byte, error) {
	keyPEM, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return nil, err
	}
	key, err := signer(keyPEM)
	if err != nil {
		return nil, err
	}
	certificate, err := cert.NewSelfSignedCACert(cert.Config{CommonName: "bursar-webhook-authority"}, key)
	if err != nil {
		return nil, err
	}
	certificatePEM, err := cert.EncodeCertificates(certificate)
	return map[string][]byte{corev1.TLSCertKey: certificatePEM, corev1.TLSPrivateKeyKey: keyPEM}, err
}

func signer(keyPEM []byte) (crypto.Signer, error) {
	key, err := keyutil.ParsePrivateKeyPEM(keyPEM)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%T is not a signing key", key)
	}
	return signer, nil
}

// readAuthority reads the authority from the data of its Secret. It is an error when
// there is none, or its time is over.
func readAuthority(data map[string][]byte, now time.Time) (*authority, error) {
	certificatePEM, keyPEM := data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey]
	if len(certificatePEM) == 0 {
		return nil, errors.New("no certificate yet")
	}
	if _, err := tls.X509KeyPair(certificatePEM, keyPEM); err != nil {
		return nil, err
	}
	certificates, err := cert.ParseCertsPEM(certificatePEM)
	if err != nil {
		return nil, err
	}
	key, err := signer(keyPEM)
	if err != nil {
		return nil, err
	}
	certificate := certificates[0]
	if !certificate.IsCA || now.After(certificate.NotAfter) {
		return nil, errors.New("the certificate is not that of an authority, or has expired")
	}
	return &authority{certificate: certificate, key: key, pem: certificatePEM}, nil
}

// isOld reports whether the authority is to be replaced.
func (a *authority) isOld(now time.Time) bool {
	return now.Add(renewBefore).After(a.certificate.NotAfter)
}

// is reports whether two are the same.
func (a *authority) is(other *authority) bool { return other != nil && bytes.Equal(a.pem, other.pem) }

// sign makes a certificate for a server that is called by the names.
func (a *authority) sign(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0]},
		NotBefore:    now.Add(-behind),
		NotAfter:     now.Add(servingLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
