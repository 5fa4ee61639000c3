package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"time"

	"kahuna"
	"kahuna/client"
)

// connectWait is how long a server may take to say that it serves.
const connectWait = 5 * time.Second

// connect returns the store of a server, which must be there. ca is the file of
// the certificates to trust; empty for those that the machine does.
func connect(ctx context.Context, urls, ca string) (kahuna.Store, error) {
	if urls == "" {
		urls = client.DefaultURL
	}
	o := &client.Options{}
	if ca != "" {
		pool, err := trusted(ca)
		if err != nil {
			return nil, err
		}
		o.TLS = &tls.Config{RootCAs: pool}
	}
	c, err := client.Open(urls, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		var e *kahuna.Error
		if errors.As(err, &e) {
			named := *e
			named.Op, named.Code = "connect", kahuna.CodeOpen
			var unknown x509.UnknownAuthorityError
			if errors.As(err, &unknown) {
				named.Hint = "name the file of a certificate to trust: --ca FILE"
				return nil, &named
			}
			named.Hint = "start one: kahuna-server --data DIR, or open a store in this process: kahuna-cli --embedded DIR"
			err = &named
		}
		return nil, err
	}
	return c, nil
}

// trusted reads certificates.
func trusted(name string) (*x509.CertPool, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, &kahuna.Error{Op: "connect", Code: kahuna.CodeOpen, Message: "--ca: " + err.Error(), Err: err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, &kahuna.Error{Op: "connect", Code: kahuna.CodeOpen, Message: "--ca " + name + " has no certificate in PEM"}
	}
	return pool, nil
}
