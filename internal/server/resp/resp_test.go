package resp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"kahuna"
)

// patience bounds what a test waits for. Nothing waits so long but a test that
// fails.
const patience = time.Minute

// serve starts a server of a new store in memory.
func serve(t testing.TB, o Options) (*Server, string) {
	t.Helper()
	return serveStore(t, openStore(t), o)
}

func openStore(t testing.TB) *kahuna.DB {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func serveStore(t testing.TB, db *kahuna.DB, o Options) (*Server, string) {
	t.Helper()
	s := New(db, o)
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return s, addr.String()
}

// client is a raw connection.
type rawClient struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *rawClient {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t, c, bufio.NewReader(c)}
}

// request encodes a request.
func request(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

func (c *rawClient) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads exactly these bytes.
func (c *rawClient) expect(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.r, got)
	if string(got[:n]) != want {
		c.t.Fatalf("got %q, %v, want %q", got[:n], err, want)
	}
}

// expectEnd reads until the connection is closed, and returns what came.
func (c *rawClient) expectEnd() string {
	c.t.Helper()
	rest, err := io.ReadAll(c.r)
	if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatalf("not closed; got %q", rest)
	}
	return string(rest)
}

// do sends a request and expects an answer.
func (c *rawClient) do(want string, args ...string) {
	c.t.Helper()
	c.send(request(args...))
	got := c.answer()
	if got != want {
		c.t.Fatalf("%q: got %q, want %q", args, got, want)
	}
}

// answer reads one answer, of any type.
func (c *rawClient) answer() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", line, err)
	}
	var n int
	fmt.Sscanf(line[1:], "%d", &n)
	switch line[0] {
	case '$', '=':
		if n < 0 {
			return line
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, text); err != nil {
			c.t.Fatal(err)
		}
		return line + string(text)
	case '%':
		n *= 2
		fallthrough
	case '*':
		for range n {
			line += c.answer()
		}
	}
	return line
}

// logged collects what is logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// tool finds a program of Debian's redis-tools. In CI it has to be there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%v; install redis-tools", err)
	}
	return path
}

// TestRedisCLI: the client of Redis gets what it shows its user.
func TestRedisCLI(t *testing.T) {
	cli := tool(t, "redis-cli")
	_, addr := serve(t, Options{})
	host, port, _ := net.SplitHostPort(addr)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"PING"}, "PONG"},
		{[]string{"EVAL", "set @key1 @arg1\nreturn (get @key1)", "1", "k", "v"}, "v"},
		{[]string{"EVAL", "return 41 + 1", "0"}, "42"},
		{[]string{"EVAL", "return redis.call('GET', KEYS[1])", "1", "k"},
			"SYNTAX this is Lua, but EVAL takes Kahuna Script; the first difference is 'redis.call': " +
				"commands stand in the script itself: get @key1, set @key1 @arg1; see docs/redis.md (line 1, column 8)"},
		{[]string{"GET", "k"}, "v"},
		{[]string{"-3", "EVAL", "return [1, 2.5, null, {a: [1, true]}]", "0"}, "1\n2.5\n\na 1\n(true)"},
		{[]string{"DBSIZE"}, "1"},
	} {
		out, err := exec.Command(cli, append([]string{"-h", host, "-p", port}, test.args...)...).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
			t.Errorf("%q: %v\n got %q\nwant %q", test.args, err, got, test.want)
		}
	}
}
