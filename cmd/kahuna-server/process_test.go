package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kahuna"
	"kahuna/client"
)

// process is a running kahuna-server.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	lines  chan string // of its log
	ended  chan error
	killed bool
}

// start starts the server and waits until it is ready.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, lines: make(chan string, 1000), ended: make(chan error, 1)}
	p.cmd = exec.Command("kahuna-server", append([]string{"--redis=", "--grpc="}, args...)...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for in := bufio.NewScanner(stderr); in.Scan(); {
			select {
			case p.lines <- in.Text():
			default:
			}
		}
		p.ended <- p.cmd.Wait()
		close(p.lines)
	}()
	t.Cleanup(func() {
		if !p.killed {
			_ = p.cmd.Process.Kill()
			p.wait()
		}
	})
	listening := p.await("msg=listening")
	_, p.url, _ = strings.Cut(listening, "address=")
	p.url = "http://" + p.url
	p.await("msg=ready")
	return p
}

// await waits for a line of the log and returns it.
func (p *process) await(part string) string {
	p.t.Helper()
	timeout := time.After(time.Minute)
	var seen []string
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the server ended before %q: %q", part, seen)
			}
			seen = append(seen, line)
			if strings.Contains(line, part) {
				return line
			}
		case <-timeout:
			p.t.Fatalf("no %q: %q", part, seen)
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end and returns the exit status, -1 after a signal.
func (p *process) wait() int {
	p.t.Helper()
	p.killed = true
	select {
	case err := <-p.ended:
		var failed *exec.ExitError
		if err != nil && !errors.As(err, &failed) {
			p.t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		p.t.Fatal("the server does not end")
		return 0
	}
}

// post runs a script and returns the status and the body.
func (p *process) post(script string) (int, string, error) {
	res, err := http.Post(p.url+"/v1/run", "text/plain", strings.NewReader(script))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// running starts a script that writes k and sleeps, and waits until it has
// begun: then k is locked.
func (p *process) running(script string) (answer <-chan string) {
	p.t.Helper()
	out := make(chan string, 1)
	go func() {
		status, body, err := p.post(script)
		out <- fmt.Sprint(status, " ", body, err)
	}()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		status, body, err := p.post("begin (timeout=1) set k 1 commit end")
		if err != nil {
			p.t.Fatal(err)
		}
		if status != http.StatusOK && strings.Contains(body, `"code":"timeout"`) {
			return out
		}
	}
	p.t.Fatal("the script does not begin")
	return nil
}

// TestServe: it serves, says where, and drains: what runs is answered, nothing
// new is taken, and the directory is as a closed store's.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", dir, "--http", "127.0.0.1:0", "--drain", "1m")
	data, err := os.ReadFile(filepath.Join(dir, "server.json"))
	if err != nil {
		t.Fatal(err)
	}
	var note struct {
		HTTP string
		PID  int
	}
	if err := json.Unmarshal(data, &note); err != nil || "http://"+note.HTTP != p.url || note.PID != p.cmd.Process.Pid {
		t.Errorf("server.json is %s, %v", data, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "server.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("server.json: %v, %v", info, err)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if res, err := http.Get(p.url + path); err != nil || res.StatusCode != 200 {
			t.Errorf("%s: %v, %v", path, res, err)
		} else {
			_ = res.Body.Close()
		}
	}
	answer := p.running("set k 'drained' sleep 2s")
	p.signal(syscall.SIGTERM)
	p.await("msg=draining")
	if got := <-answer; !strings.HasPrefix(got, "200 ") {
		t.Errorf("the running script got %s", got)
	}
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if _, err := os.Stat(filepath.Join(dir, "server.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("server.json is still there: %v", err)
	}
	db, err := kahuna.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if e, _, err := db.Get(t.Context(), "k"); err != nil || e.Value != "drained" {
		t.Errorf("k is %q, %v", e.Value, err)
	}
}

// TestServeTLS: it serves over TLS with a certificate of its own, which it keeps;
// SIGHUP does not end it.
func TestServeTLS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", dir, "--http", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--tls-dev")
	data, err := os.ReadFile(filepath.Join(dir, "server.json"))
	if err != nil {
		t.Fatal(err)
	}
	var note struct{ TLS string }
	if err := json.Unmarshal(data, &note); err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(filepath.Join(dir, "tls-dev.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(own)
	c, err := client.Open("https://"+note.TLS, &client.Options{TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.signal(syscall.SIGHUP)
	if _, err := c.Set(t.Context(), "k", "v", nil); err != nil {
		t.Error(err)
	}
	p.signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	db, err := kahuna.Open(dir, nil) // the file beside it is no hindrance
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestDrainEnds: what runs for longer than --drain is stopped, and told that it
// can be sent again.
func TestDrainEnds(t *testing.T) {
	p := start(t, "--memory", "--http", "127.0.0.1:0", "--drain", "50ms")
	answer := p.running("begin (timeout=100000) set k 2 sleep 60s commit end")
	p.signal(os.Interrupt)
	if got := <-answer; !strings.HasPrefix(got, "503 ") || !strings.Contains(got, `"outcome":"not_applied"`) ||
		!strings.Contains(got, `"code":"retry"`) || !strings.Contains(got, `"retry":true`) {
		t.Errorf("the running script got %s", got)
	}
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// TestSecondSignal: it leaves at once, and nothing acknowledged is lost.
func TestSecondSignal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", dir, "--http", "127.0.0.1:0", "--drain", "1h")
	if status, body, err := p.post("set k 1"); status != 200 || err != nil {
		t.Fatal(status, body, err)
	}
	answer := p.running("begin (timeout=300000) set k 2 sleep 200s commit end")
	p.signal(os.Interrupt)
	p.await("msg=draining")
	p.signal(os.Interrupt)
	if status := p.wait(); status != 130 {
		t.Errorf("exit status %d", status)
	}
	if got := <-answer; strings.HasPrefix(got, "200 ") {
		t.Errorf("the running script got %s", got)
	}
	db, err := kahuna.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if e, _, err := db.Get(t.Context(), "k"); err != nil || e.Value != "1" {
		t.Errorf("k is %q, %v", e.Value, err)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := exec.Command("kahuna-server", "--memory", "--redis=", "--grpc=", "--http", l.Addr().String()).CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) || failed.ExitCode() != exitFailed || !strings.Contains(string(out), "port 0 takes a free one") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestRestart: a server that ends and begins again is not noticed by callers
// with time left: those of scripts, of one that is stopped in its middle, of
// writes of single keys, and of transactions.
func TestRestart(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) { testRestart(t, scheme) })
	}
}

// schemes are the protocols that the Go client speaks.
var schemes = []string{"http", "grpc"}

func testRestart(t *testing.T, scheme string) {
	dir := filepath.Join(t.TempDir(), "data")
	port := freePort(t)
	args := []string{"--data", dir, "--" + scheme, port, "--drain", "20ms"}
	if scheme != "http" {
		args = append(args, "--http", "127.0.0.1:0")
	}
	p := start(t, args...)
	c, err := client.Open(scheme+"://"+port, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var over atomic.Bool
	var load sync.WaitGroup
	done := make([]atomic.Int64, 4)
	for i, call := range []func(n int64) error{
		func(int64) error {
			_, err := c.Run(ctx, "set script to_int(get script ?? 0) + 1", nil, nil)
			return err
		},
		func(n int64) error {
			w, err := c.Set(ctx, "point", fmt.Sprint(n+1), &kahuna.SetOptions{Revision: new(n - 1)})
			if err == nil && !w.Done {
				err = fmt.Errorf("revision %d, want %d", w.Revision, n-1)
			}
			return err
		},
		func(n int64) error {
			return c.Update(ctx, func(tx kahuna.Tx) error {
				_, err := tx.Run(ctx, "set tx to_int(get tx ?? 0) + 1", nil, nil)
				return err
			})
		},
		func(int64) error {
			_, err := c.Run(ctx, "begin (timeout=60000) set long to_int(get long ?? 0) + 1 sleep 100ms commit end", nil, nil)
			return err
		},
	} {
		load.Go(func() {
			for !over.Load() {
				if err := call(done[i].Load()); err != nil {
					t.Errorf("call %d: %v", i, err)
					return
				}
				done[i].Add(1)
			}
		})
	}
	for range 2 {
		for i := range done {
			for n := done[i].Load(); done[i].Load() < n+2 && !t.Failed(); {
				time.Sleep(time.Millisecond)
			}
		}
		p.signal(syscall.SIGTERM)
		if status := p.wait(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		p = start(t, args...)
	}
	over.Store(true)
	load.Wait()
	for i, key := range []string{"script", "point", "tx", "long"} {
		if e, _, err := c.Get(ctx, key); err != nil || e.Value != fmt.Sprint(done[i].Load()) {
			t.Errorf("%s is %s, %v; %d were acknowledged", key, e.Value, err, done[i].Load())
		}
	}
}

// freePort returns a loopback address that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
