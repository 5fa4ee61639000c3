package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"kahuna/internal/server/resp"
)

// served is a server that runs.
type served struct {
	*Server
	log   *logged
	drain chan struct{}
	leave chan struct{}
	ended chan error
}

// logged is the log of a server.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{} // has a value when there is more
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the log has the text.
func (l *logged) await(t testing.TB, text string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for !strings.Contains(l.String(), text) {
		select {
		case <-l.news:
		case <-timeout:
			t.Fatalf("the log has no %q:\n%s", text, l)
		}
	}
}

func newLogged() (*logged, *slog.Logger) {
	l := &logged{news: make(chan struct{}, 1)}
	return l, slog.New(slog.NewTextHandler(l, nil))
}

// run runs a server with what mount adds, until the test ends.
func run(t testing.TB, o Options, mount func(s *Server)) *served {
	t.Helper()
	x := &served{drain: make(chan struct{}), leave: make(chan struct{}), ended: make(chan error, 1)}
	x.log, o.Logger = newLogged()
	x.Server = New(memory(t), o)
	mount(x.Server)
	go func() { x.ended <- x.Run(x.drain, x.leave) }()
	t.Cleanup(func() {
		close(x.drain)
		if err := <-x.ended; err != nil {
			t.Error(err)
		}
	})
	x.log.await(t, "msg=ready")
	return x
}

// addrs returns the addresses that the fronts of a name took.
func (x *served) addrs(name string) (all []string) {
	for _, m := range x.fronts {
		if m.name == name {
			all = append(all, m.taken.String())
		}
	}
	return all
}

// devPool returns the certificate that the server keeps in dir, as the only one
// to trust.
func devPool(t testing.TB, dir string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, devName))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		t.Fatal("no certificate")
	}
	return pool
}

// TestTLS: REST over HTTP/1.1 and HTTP/2, on several addresses; what is of gRPC
// gets to its server, over HTTP/2 alone.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	rpc := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "rpc") })
	log, logger := newLogged()
	cert, err := DevCertificate(dir, logger)
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, Options{Dir: dir}, func(s *Server) {
		s.Add("tls", "127.0.0.1:0", s.TLS(cert, rpc))
		s.Add("tls", "localhost:0", s.TLS(cert, rpc))
	})
	pool := devPool(t, dir)
	for _, addr := range s.addrs("tls") {
		for _, tt := range []struct {
			proto   int
			content string
			want    string
		}{
			{1, "text/plain", `"value":2`}, {2, "text/plain", `"value":2`}, {2, "application/grpc", "rpc"}, {2, "application/grpc+proto", "rpc"},
			{2, "application/grpc;x=y", "rpc"}, {2, "application/grpc-web", "unsupported_media_type"}, {1, "application/grpc", "unsupported_media_type"},
		} {
			protocols := new(http.Protocols)
			protocols.SetHTTP1(tt.proto == 1)
			protocols.SetHTTP2(tt.proto == 2)
			c := &http.Client{Transport: &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: pool}}}
			res, err := c.Post("https://"+addr+"/v1/run", tt.content, strings.NewReader("return 1 + 1"))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			c.CloseIdleConnections()
			if err != nil || res.ProtoMajor != tt.proto || !strings.Contains(string(body), tt.want) {
				t.Errorf("HTTP/%d, %s: HTTP/%d, %s, %v", tt.proto, tt.content, res.ProtoMajor, body, err)
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, noteName))
	var note struct{ TLS []string }
	if err != nil || json.Unmarshal(data, &note) != nil || fmt.Sprint(note.TLS) != fmt.Sprint(s.addrs("tls")) {
		t.Errorf("server.json: %s, %v", data, err)
	}
	// The next server has the same certificate.
	again, err := DevCertificate(dir, logger)
	if err != nil || !bytes.Equal(again.now.Leaf.Raw, cert.now.Leaf.Raw) {
		t.Errorf("the certificate is another one: %v", err)
	}
	if want := "sha256=" + fingerprint(cert.now.Leaf); strings.Count(log.String(), want) != 2 {
		t.Errorf("the log does not have %s:\n%s", want, log)
	}
	if info, err := os.Stat(filepath.Join(dir, devName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := DevCertificate("", logger); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}

// frame returns a frame of HTTP/2.
func frame(kind, flags byte, payload string) string {
	return string([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, 0}) + payload
}

// TestPings: a connection without requests sends many pings, and each is
// answered; there is no GOAWAY.
func TestPings(t *testing.T) {
	_, logger := newLogged()
	cert, err := DevCertificate("", logger)
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, Options{}, func(s *Server) { s.Add("tls", "127.0.0.1:0", s.TLS(cert, nil)) })
	conn, err := tls.Dial("tcp", s.addrs("tls")[0], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const settings, ping, goaway, pings = 4, 6, 7, 2000
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+frame(settings, 0, "")); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range pings {
			var n [8]byte
			binary.BigEndian.PutUint64(n[:], uint64(i))
			if _, err := io.WriteString(conn, frame(ping, 0, string(n[:]))); err != nil {
				return // the reader tells
			}
		}
	}()
	streams := uint32(0)
	for answered := 0; answered < pings; {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			t.Fatalf("after %d pings: %v", answered, err)
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		switch head[3] {
		case ping:
			answered++
		case goaway:
			t.Fatalf("GOAWAY after %d pings: %q", answered, payload)
		case settings:
			for ; len(payload) >= 6; payload = payload[6:] {
				if payload[1] == 3 {
					streams = binary.BigEndian.Uint32(payload[2:])
				}
			}
		}
	}
	if streams < 100 {
		t.Errorf("the connection allows %d streams", streams)
	}
}

// split returns the certificate and the key of PEM that has both.
func split(t testing.TB) (cert, key string) {
	t.Helper()
	data, err := makeDev(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, ok := strings.Cut(string(data), "-----BEGIN PRIVATE KEY-----")
	if !ok {
		t.Fatal(string(data))
	}
	return cert, "-----BEGIN PRIVATE KEY-----" + key
}

func TestCertificateErrors(t *testing.T) {
	cert, key := split(t)
	_, otherKey := split(t)
	_, logger := newLogged()
	dir := t.TempDir()
	for _, tt := range []struct{ cert, key, says string }{
		{"", key, "no such file"},
		{cert, "", "no such file"},
		{"x", key, "is not PEM, which begins with -----BEGIN CERTIFICATE-----"},
		{cert, "x", "is not PEM, which begins with -----BEGIN PRIVATE KEY-----"},
		{key, cert, "the wrong way round"},
		{cert, otherKey, "is the key of another certificate"},
		{cert, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n", "openssl pkey -in"},
		{"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", key, "x509"},
		{strings.Repeat(cert, 4000), key, "more than 1048576 bytes"},
	} {
		names := [2]string{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
		for i, content := range []string{tt.cert, tt.key} {
			_ = os.Remove(names[i])
			if content != "" {
				if err := os.WriteFile(names[i], []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := LoadCertificate(names[0], names[1], logger); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("got %v, want %q", err, tt.says)
		}
	}
}

// TestReload: a handshake gets the certificate that the files have now; files
// that are wrong change nothing.
func TestReload(t *testing.T) {
	log, logger := newLogged()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func(cert, key string, at int64) {
		t.Helper()
		for name, content := range map[string]string{certFile: cert, keyFile: key} {
			if err := writeWhole(name, []byte(content)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(name, time.Unix(at, 0), time.Unix(at, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := func(c *Certificate) string {
		t.Helper()
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return fingerprint(pair.Leaf)
	}
	cert, key := split(t)
	put(cert, key, 1)
	c, err := LoadCertificate(certFile, keyFile, logger)
	if err != nil {
		t.Fatal(err)
	}
	first := got(c)
	put("x", key, 2)
	for range 2 {
		if now := got(c); now != first || strings.Count(log.String(), "is not replaced") != 1 {
			t.Errorf("with a wrong file: %s\n%s", now, log)
		}
	}
	if err := c.Reload(); err == nil {
		t.Error("Reload takes a wrong file")
	}
	cert, key = split(t)
	put(cert, key, 3)
	if second := got(c); second == first {
		t.Error("the certificate is the old one")
	}
}

// redisOver serves a store over TLS to clients of Redis.
func redisOver(t testing.TB, o Options) *served {
	t.Helper()
	_, logger := newLogged()
	cert, err := DevCertificate("", logger)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, o, func(s *Server) {
		s.Add("redis", "127.0.0.1:0", resp.New(s.store, resp.Options{Context: s.Work()}))
		s.Add("redis-tls", "127.0.0.1:0", s.Over(cert, "redis"))
	})
}

// TestRedisOverTLS: a client of Redis over TLS, with pipelines of more than a
// piece.
func TestRedisOverTLS(t *testing.T) {
	s := redisOver(t, Options{})
	c := redis.NewClient(&redis.Options{Addr: s.addrs("redis-tls")[0], TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	defer c.Close()
	value := strings.Repeat("x", 100_000)
	_, err := c.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range 50 {
			p.Set(t.Context(), fmt.Sprint("k", i), value, 0)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Eval(t.Context(), "return get @key1", []string{"k7"}).Text(); err != nil || got != value {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestRedisOverTLSDrains: a drain ends connections over TLS that rest.
func TestRedisOverTLSDrains(t *testing.T) {
	s := redisOver(t, Options{})
	conn, err := tls.Dial("tcp", s.addrs("redis-tls")[0], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "+PONG\r\n" {
		t.Fatalf("%q, %v", b[:n], err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.draining.Store(true)
	if !s.shutdown(ctx) {
		t.Error("it does not drain")
	}
	if n, err := conn.Read(b); err == nil {
		t.Errorf("after the drain: %q", b[:n])
	}
}

// TestSlowReaderOverTLS: who does not read is cut off.
func TestSlowReaderOverTLS(t *testing.T) {
	s := redisOver(t, Options{Patience: 50 * time.Millisecond})
	if _, err := s.store.Set(t.Context(), "k", strings.Repeat("x", 1<<20), nil); err != nil {
		t.Fatal(err)
	}
	raw, err := net.Dial("tcp", s.addrs("redis-tls")[0])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if _, err := io.WriteString(conn, strings.Repeat("GET k\r\n", 60)); err != nil {
		t.Fatal(err)
	}
	s.log.await(t, "connection cut off")
	for s.places.open.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestHalfClosedOverTLS: a client over TLS that sends nothing more gets the answers
// to all that it has sent.
func TestHalfClosedOverTLS(t *testing.T) {
	s := redisOver(t, Options{})
	conn, err := tls.Dial("tcp", s.addrs("redis-tls")[0], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "EVAL \"sleep 50ms return 'slept'\" 0\r\n"+strings.Repeat("PING\r\n", 10_000)); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if want := "$5\r\nslept\r\n" + strings.Repeat("+PONG\r\n", 10_000); err != nil || string(got) != want {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

// TestProxyDeadlines: only a write to a client has a deadline, and none stays
// behind: the server reads when it can, and TLS writes of its own accord, too.
func TestProxyDeadlines(t *testing.T) {
	s := New(memory(t), Options{Patience: time.Minute})
	t.Cleanup(s.stop)
	p := &proxy{s: s}
	toServer := &deadlines{}
	p.copy(toServer, &deadlines{in: strings.NewReader("PING\r\n")})
	if toServer.written == 0 || toServer.guarded != 0 || !toServer.at.IsZero() {
		t.Errorf("to the server: %d writes, %d with a deadline", toServer.written, toServer.guarded)
	}
	_, logger := newLogged()
	cert, err := DevCertificate("", logger)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	toClient := &deadlines{Conn: ours}
	client := tls.Server(toClient, cert.config())
	read := make(chan error, 1)
	go func() {
		remote := tls.Client(theirs, &tls.Config{InsecureSkipVerify: true})
		_, err := io.ReadFull(remote, make([]byte, 7))
		read <- err
	}()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	toClient.written, toClient.guarded = 0, 0
	p.copy(client, &deadlines{in: strings.NewReader("+PONG\r\n")})
	if toClient.written == 0 || toClient.guarded != toClient.written || !toClient.at.IsZero() {
		t.Errorf("to the client: %d writes, %d with a deadline", toClient.written, toClient.guarded)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
}

// deadlines is a connection that notes which of its writes have a deadline.
type deadlines struct {
	net.Conn
	in               io.Reader
	at               time.Time
	written, guarded int
}

func (d *deadlines) Read(b []byte) (int, error) {
	if d.in != nil {
		return d.in.Read(b)
	}
	return d.Conn.Read(b)
}

func (d *deadlines) SetWriteDeadline(at time.Time) error { d.at = at; return nil }

func (d *deadlines) Write(b []byte) (int, error) {
	if d.written++; !d.at.IsZero() {
		d.guarded++
	}
	if d.Conn == nil {
		return len(b), nil
	}
	return d.Conn.Write(b)
}
