package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// pki is the control plane's own certificate authority and what it signed, under DIR/pki.
type pki struct {
	dir    string
	server string
	ca     *x509.Certificate
	key    crypto.Signer
}

func (p *pki) file(name string) string { return filepath.Join(p.dir, name) }

// preparePKI makes the authority and the certificates, or reads back those of an earlier start.
func preparePKI(dir string, port int) (*pki, error) {
	if err := os.MkdirAll(filepath.Join(dir, "pki"), 0o700); err != nil {
		return nil, err
	}
	p := &pki{dir: filepath.Join(dir, "pki"), server: fmt.Sprintf("https://127.0.0.1:%d", port)}
	if _, err := os.Stat(p.file("ca.crt")); err == nil {
		if err := p.load(); err != nil {
			return nil, err
		}
	} else if err := p.create(); err != nil {
		return nil, err
	}
	for file, who := range map[string][]string{
		"../admin.kubeconfig":                {"admin", "system:masters"},
		"kwok.kubeconfig":                    {"kwok", "system:masters"},
		"kube-controller-manager.kubeconfig": {"system:kube-controller-manager"},
		"kube-scheduler.kubeconfig":          {"system:kube-scheduler"},
	} {
		bytes, err := p.kubeconfig(who[0], who[1:])
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(p.file(file), bytes, 0o600); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *pki) load() error {
	crt, err := os.ReadFile(p.file("ca.crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(p.file("ca.key"))
	if err != nil {
		return err
	}
	c, _ := pem.Decode(crt)
	k, _ := pem.Decode(key)
	if p.ca, err = x509.ParseCertificate(c.Bytes); err != nil {
		return err
	}
	p.key, err = x509.ParseECPrivateKey(k.Bytes)
	return err
}

func (p *pki) create() error {
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	t := template(pkix.Name{CommonName: "gitwarrant-test-ca"})
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	p.key = key
	if p.ca, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	serving := template(pkix.Name{CommonName: "kube-apiserver"})
	serving.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	serving.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	serving.IPAddresses = []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("10.96.0.1")}
	crt, crtKey, err := p.sign(serving)
	if err != nil {
		return err
	}
	sa, saPEM, err := newKey()
	if err != nil {
		return err
	}
	saPub, err := x509.MarshalPKIXPublicKey(sa.Public())
	if err != nil {
		return err
	}
	for name, bytes := range map[string][]byte{
		"ca.key": keyPEM, "apiserver.crt": crt, "apiserver.key": crtKey,
		"sa.key": saPEM, "sa.pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: saPub}),
		"ca.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	} {
		if err := os.WriteFile(p.file(name), bytes, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

func template(subject pkix.Name) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: subject, NotBefore: now.Add(-time.Hour),
		NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
}

// sign makes a key and a certificate over it, both as PEM.
func (p *pki) sign(t *x509.Certificate) (crt, keyPEM []byte, err error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, p.ca, key.Public(), p.key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM, err
}

// kubeconfig signs a client certificate for user in groups and holds it in a self-contained kubeconfig.
func (p *pki) kubeconfig(user string, groups []string) ([]byte, error) {
	t := template(pkix.Name{CommonName: user, Organization: groups})
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	crt, key, err := p.sign(t)
	if err != nil {
		return nil, err
	}
	c := clientcmdapi.NewConfig()
	c.Clusters["test"] = &clientcmdapi.Cluster{Server: p.server,
		CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.ca.Raw})}
	c.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: crt, ClientKeyData: key}
	c.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user}
	c.CurrentContext = "test"
	return clientcmd.Write(*c)
}
