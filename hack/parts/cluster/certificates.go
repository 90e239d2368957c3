package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// authority signs the cluster's certificates. Its own certificate is the file ca.crt, and its
// key ca.key.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &authority{dir: dir}
	key, err := a.newKey("ca")
	if err != nil {
		return nil, err
	}
	a.key = key
	if a.certificate, err = cert.NewSelfSignedCACert(cert.Config{CommonName: "hack-cluster"}, key); err != nil {
		return nil, err
	}
	return a, a.write("ca.crt", "CERTIFICATE", a.certificate.Raw)
}

func (a *authority) path(file string) string { return filepath.Join(a.dir, file) }

func (a *authority) write(file, kind string, der []byte) error {
	return os.WriteFile(a.path(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// newKey makes a key, and writes it into NAME.key and, its public half, NAME.pub.
func (a *authority) newKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(a.path(name+".key"), private, 0o600); err != nil {
		return nil, err
	}
	return key, a.write(name+".pub", "PUBLIC KEY", public)
}

// issue makes a certificate for a user of a group, or a server at hosts, as NAME.crt and NAME.key.
func (a *authority) issue(name, user, group string, hosts ...string) error {
	key, err := a.newKey(name)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: user},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     a.certificate.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if group != "" {
		template.Subject.Organization = []string{group}
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	return a.write(name+".crt", "CERTIFICATE", der)
}

// kubeconfig makes a kubeconfig file for a user of a group.
func (c *Cluster) kubeconfig(user, group string) (path string, err error) {
	name := strings.ReplaceAll(user, ":", "-")
	if err := c.authority.issue(name, user, group); err != nil {
		return "", err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["cluster"] = &clientcmdapi.Cluster{Server: apiServer, CertificateAuthority: c.authority.path("ca.crt")}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{
		ClientCertificate: c.authority.path(name + ".crt"), ClientKey: c.authority.path(name + ".key"),
	}
	config.Contexts["cluster"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: name}
	config.CurrentContext = "cluster"
	path = c.authority.path(name + ".kubeconfig")
	return path, clientcmd.WriteToFile(*config, path)
}
