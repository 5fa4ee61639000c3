package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Certificate is a certificate with its key, for the fronts over TLS. It is read
// again when its files change. It is safe for concurrent use.
type Certificate struct {
	certFile, keyFile string // empty: it has none
	logger            *slog.Logger

	mu   sync.Mutex // guards the rest
	now  *tls.Certificate
	seen string // the state of the files when they were last read
}

// LoadCertificate reads a certificate, with those that sign it behind it, and its
// key. Both files are PEM. The error says what is wrong with them.
func LoadCertificate(certFile, keyFile string, logger *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	return c, c.Reload()
}

// Reload reads the files again. When that fails, the certificate stays as it is.
func (c *Certificate) Reload() error {
	if c.certFile == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

// read reads the files. Held: mu.
func (c *Certificate) read() error {
	c.seen = stateOf(c.certFile) + stateOf(c.keyFile)
	pair, err := loadPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.now = pair
	c.tell()
	return nil
}

// tell logs which certificate it is. Held: mu.
func (c *Certificate) tell() {
	leaf := c.now.Leaf
	names := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	c.logger.Info("certificate", "sha256", fingerprint(leaf), "names", strings.Join(names, ","), "until", leaf.NotAfter.UTC().Format(time.RFC3339))
	if now := time.Now(); now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		c.logger.Warn("the certificate is not valid now: clients will refuse it", "from", leaf.NotBefore.UTC().Format(time.RFC3339),
			"until", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// stateOf returns a text that changes when a file does.
func stateOf(name string) string {
	info, err := os.Stat(name)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
}

// get returns the certificate for a handshake, read again when its files have
// changed. While they are wrong, it is the one before.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.certFile != "" && c.seen != stateOf(c.certFile)+stateOf(c.keyFile) {
		if err := c.read(); err != nil {
			c.logger.Error("the certificate is not replaced", "error", err)
		}
	}
	return c.now, nil
}

// config returns the settings of a listener with the certificate.
func (c *Certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12}
}

func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := readPEM("--tls-cert", certFile, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	key, err := readPEM("--tls-key", keyFile, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	switch {
	case err == nil:
		return &pair, nil
	case strings.Contains(err.Error(), "does not match"):
		return nil, fmt.Errorf("--tls-key %s is the key of another certificate than that of --tls-cert %s; "+
			"when the latter has several certificates, the server's own stands first", keyFile, certFile)
	}
	return nil, fmt.Errorf("--tls-cert %s with --tls-key %s: %w", certFile, keyFile, err)
}

// pemMost bounds a file.
const pemMost = 1 << 20

// readPEM reads a file that must have a block whose type ends in kind.
func readPEM(flag, name, kind string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.Size() > pemMost {
		return nil, fmt.Errorf("%s %s: the file has more than %d bytes, and is no %s", flag, name, pemMost, strings.ToLower(kind))
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	var found []string
	for rest := data; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, fmt.Errorf("%s %s: the key is encrypted; write it without a password: openssl pkey -in %s -out plain.pem", flag, name, name)
		case strings.HasSuffix(block.Type, kind):
			return data, nil
		}
		found, rest = append(found, block.Type), after
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %s: the file is not PEM, which begins with -----BEGIN %s-----", flag, name, kind)
	}
	return nil, fmt.Errorf("%s %s: the file has a %s and no %s; are --tls-cert and --tls-key the wrong way round?", flag, name,
		strings.Join(found, ", a "), kind)
}

// devName is the file of the certificate that the server makes itself, with its
// key.
const devName = "tls-dev.pem"

// The life of a certificate that the server makes itself. One that ends sooner
// than devRest is made anew.
const (
	devLife = 365 * 24 * time.Hour
	devRest = 30 * 24 * time.Hour
)

// DevCertificate makes a certificate for localhost, 127.0.0.1 and ::1 that is
// signed by itself. It keeps it in dir, and takes it from there the next time,
// so that clients can go by its SHA-256; an empty dir keeps nothing.
func DevCertificate(dir string, logger *slog.Logger) (*Certificate, error) {
	name := filepath.Join(dir, devName)
	data, err := os.ReadFile(name)
	if dir == "" || errors.Is(err, fs.ErrNotExist) {
		data, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--tls-dev: %w", err)
	}
	pair, err := tls.X509KeyPair(data, data)
	if err != nil || time.Until(pair.Leaf.NotAfter) < devRest {
		if data, err = makeDev(time.Now()); err == nil {
			pair, err = tls.X509KeyPair(data, data)
		}
		if err == nil && dir != "" {
			err = writeWhole(name, data)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("--tls-dev: %w", err)
	}
	c := &Certificate{logger: logger, now: &pair}
	c.tell()
	return c, nil
}

// makeDev returns a certificate and its key in PEM.
func makeDev(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "kahuna-server for development"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(devLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1).To4(), net.IPv6loopback}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: cert}, {Type: "PRIVATE KEY", Bytes: der}} {
		if err := pem.Encode(&b, block); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// writeWhole writes a file that the owner alone can read. A reader sees all of it
// or nothing. Only this process has the directory.
func writeWhole(name string, data []byte) error {
	if err := os.Remove(name + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
