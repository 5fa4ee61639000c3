package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kahuna"
	"kahuna/internal/server"
	"kahuna/internal/server/resp"
)

// served serves a store in memory over HTTP, the Redis protocol and gRPC, and
// returns the addresses.
func served(t *testing.T) []string {
	t.Helper()
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(db, server.Options{})
	drain := make(chan struct{})
	ended := make(chan error, 1)
	var urls []string
	for _, front := range []struct {
		scheme string
		front  server.Front
	}{{"http", s.HTTP()}, {"redis", resp.New(db, resp.Options{Context: s.Work()})}, {"grpc", s.GRPC()}} {
		addr := freePort(t)
		s.Add(front.scheme, addr, front.front)
		urls = append(urls, front.scheme+"://"+addr)
	}
	go func() { ended <- s.Run(drain, nil) }()
	t.Cleanup(func() {
		close(drain)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for {
		if res, err := http.Get(urls[0] + "/readyz"); err == nil {
			_ = res.Body.Close()
			return urls
		}
		time.Sleep(time.Millisecond)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestServers runs every workload over every protocol: no script fails.
func TestServers(t *testing.T) {
	for _, url := range served(t) {
		for _, workload := range []string{"set", "get", "cas", "leaky-bucket", "inventory", "counter", "session", "transfer"} {
			var out, said bytes.Buffer
			err := command(context.Background(), []string{"-c", url, "--json", "--duration=10ms", "--warmup=0", "--keys=50", "--concurrency=2", workload}, &out, &said)
			var r result
			if err == nil {
				err = json.Unmarshal(out.Bytes(), &r)
			}
			// Two callers of cas may meet.
			if err != nil || r.Scripts == 0 || r.Failed > 0 && workload != "cas" || r.Server != url || r.Memory {
				t.Errorf("%s, %s: %v, %s %s", url, workload, err, out.String(), said.String())
			}
		}
	}
	if err := command(context.Background(), []string{"-c", served(t)[0], "--keyed", "--duration=10ms", "--warmup=0", "set"}, &bytes.Buffer{}, &bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

// TestNoServer: the error says how to start one; an address of no protocol is
// wrong usage.
func TestNoServer(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	addr := strings.TrimPrefix(gone.URL, "http://")
	for url, says := range map[string]string{gone.URL: "kahuna-server starts one", "redis://" + addr: "kahuna-server starts one",
		"grpc://" + addr: "kahuna-server starts one", "ftp://x": "http, https, redis, grpc and grpcs", "x": "must be an address"} {
		err := command(context.Background(), []string{"-c", url, "--duration=10ms", "set"}, &bytes.Buffer{}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error()+hintOf(err), says) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func hintOf(err error) string {
	if e, ok := err.(*kahuna.Error); ok {
		return e.Hint
	}
	return ""
}
