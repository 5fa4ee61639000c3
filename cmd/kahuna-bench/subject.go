package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"kahuna"
	"kahuna/client"
)

// subject is what a workload runs on: a store in this process, or a server.
type subject interface {
	// Compile makes a script ready to run many times.
	Compile(source string) (kahuna.Program, error)
	Close() error
}

// statsOf returns what t counts; nothing for a server.
func statsOf(t subject) kahuna.Stats {
	if db, ok := t.(*kahuna.DB); ok {
		return db.Stats()
	}
	return kahuna.Stats{}
}

// openSubject opens what the flags name.
func openSubject(ctx context.Context, f *flags) (subject, error) {
	if f.Connect == "" {
		return openStore(f)
	}
	u, err := url.Parse(f.Connect)
	if err != nil || u.Host == "" {
		return nil, usagef("-c must be an address like http://127.0.0.1:2070, redis://127.0.0.1:2079 or grpc://127.0.0.1:2072, got %q", f.Connect)
	}
	switch u.Scheme {
	case "http", "https", "grpc", "grpcs":
		o := &client.Options{NoIdempotencyKeys: !f.Keyed}
		if strings.HasPrefix(u.Scheme, "http") {
			o.Connections = f.callers()
		} else {
			o.InFlight = f.callers()
		}
		c, err := client.Open(f.Connect, o)
		if err != nil {
			return nil, err
		}
		return c, c.Ping(ctx)
	case "redis":
		return openRESP(ctx, u.Host, f.callers())
	}
	return nil, usagef("-c %s: there is no protocol %q; http, https, redis, grpc and grpcs are spoken", f.Connect, u.Scheme)
}

// remoteProgram is what the programs of servers have in common.
type remoteProgram struct {
	kahuna.Program // nil: of its methods, only Run is called
	source         string
}

func (p *remoteProgram) Source() string { return p.source }

// literal returns a list of texts as it stands in a script.
func literal(list []string) string {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q", s)
	}
	return "[" + b.String() + "]"
}
