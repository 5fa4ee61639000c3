package resp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/prometheus/client_golang/prometheus"

	"kahuna"
)

// TestSplitAnywhere: requests are understood wherever the network cuts them.
func TestSplitAnywhere(t *testing.T) {
	_, addr := serve(t, Options{})
	in := request("SET", "k", "a\r\nb") + "PING\r\n" + request("GET", "k") + request("EVAL", "return [1, @arg1]", "0", "x")
	want := "+OK\r\n+PONG\r\n$4\r\na\r\nb\r\n*2\r\n:1\r\n$1\r\nx\r\n"
	for at := 0; at <= len(in); at++ {
		c := dial(t, addr)
		c.send(in[:at])
		// An answer to what is complete shows that the first part has been read.
		if at >= len(request("SET", "k", "a\r\nb")) {
			c.expect("+OK\r\n")
			c.send(in[at:])
			c.expect(want[len("+OK\r\n"):])
		} else {
			c.send(in[at:])
			c.expect(want)
		}
		c.Close()
	}
	c := dial(t, addr)
	for i := range len(in) {
		c.send(in[i : i+1])
	}
	c.expect(want)
}

// TestParserSplit: the parser gives the same in pieces as at once.
func TestParserSplit(t *testing.T) {
	in := []byte(request("SET", "k", strings.Repeat("v", 300)) + "*0\r\n" + "set a 'b c' \"\\x41\\n\"\r\n" + "\r\n" + request("", ""))
	want := parseAll([][]byte{in})
	if len(want) != 3 || want[1] != `["set" "a" "b c" "A\n"]` || want[2] != `["" ""]` {
		t.Fatalf("at once: %q", want)
	}
	for at := range in {
		if got := parseAll([][]byte{in[:at], in[at:]}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("split at %d: %q", at, got)
		}
	}
}

var testBounds = bounds{bytes: 1 << 16, args: 1000, inline: 1 << 10}

// parseAll gives the pieces to a parser, and returns the requests, and an error
// as the last.
func parseAll(pieces [][]byte) (requests []string) {
	p := newParser(testBounds)
	var in []byte
	for _, piece := range pieces {
		in = append(in, piece...)
		for {
			args, n, err := p.next(in)
			if err != nil {
				return append(requests, err.Error())
			}
			if n == 0 {
				break
			}
			if len(args) > 0 {
				requests = append(requests, fmt.Sprintf("%q", args))
			}
			in = in[n:]
		}
	}
	return requests
}

// FuzzParser: any bytes, in one piece or in many, give the same requests, and no
// argument lies outside of them.
func FuzzParser(f *testing.F) {
	for _, seed := range []string{
		"", "\r\n", "\n", "PING\r\n", "PING\nPING\n", "  set  k v  \r\n", "PING", // inline, whole and not
		"set 'a\\'b' \"\\x4g\"\n", "set \"\\x41\\n\\r\\t\\b\\a\\\\\" ''\r\n", "get 'a\r\n", "get \"a\"b\r\n", "a\"b\"\r\n", "get \"\\", "get \"\\x4",
		strings.Repeat("x", testBounds.inline) + "\r\n", strings.Repeat("x", testBounds.inline+1), // of the greatest length, and longer
		"*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\nPING\r\n", // whole
		"*2\r\n$1\r\na\r\n$0\r\n\r\n", "*1\r\n$3\r\na\r\n\r\n", "*1\r\n$2\r\n\r\n\r\n", // no bytes, and bytes of the protocol
		"*0\r\n", "*-1\r\n", "*-0\r\n*1\r\n$1\r\na\r\n", "*\r\n", "*+1\r\n$1\r\na\r\n", "*01\r\n$01\r\na\r\n", "* 1\r\n", // counts
		"*99999999999999999999\r\n", "*9999999\r\n", "*1", "*1\r", "*1\n$1\na\n", "*1x\r\n", strings.Repeat("*1", 20),
		"*1\r\n$-1\r\n", "*1\r\n$-2\r\n", "*1\r\n$\r\n", "*1\r\n$9999999999\r\n", "*1\r\n$3\r\nab", "*1\r\n$3\r\nabc", "*1\r\n$3\r\nabc\r", // lengths
		"*1\r\n$3\r\nabcd\r\n", "*1\r\n$3\r\nabc\n\n", "*1\r\n:1\r\n", "*1\r\n+a\r\n", "*1\r\n*1\r\n$1\r\na\r\n", "$3\r\nabc\r\n",
		"\x00\x01\xff\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // another protocol
	} {
		f.Add([]byte(seed), uint8(1))
		f.Add([]byte(seed), uint8(255))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		whole := parseAll([][]byte{in})
		var pieces [][]byte
		for rest := in; len(rest) > 0; {
			n := min(len(rest), int(size)+1)
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if got := parseAll(pieces); fmt.Sprint(got) != fmt.Sprint(whole) {
			t.Fatalf("in pieces of %d: %q\nat once: %q", int(size)+1, got, whole)
		}
	})
}

// TestGarbage: what is no request is answered with an error, and the connection
// is closed.
func TestGarbage(t *testing.T) {
	var log logged
	_, addr := serve(t, Options{Logger: log.logger(), Limits: kahuna.Limits{ValueBytes: 1 << 20}})
	for _, test := range []struct{ in, want string }{
		{"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"*1\r\n$-2\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'\r\n"},
		{"*1\r\n$1\r\nabc", "-ERR Protocol error: an argument does not end where its length says\r\n"},
		{"*65537\r\n", "-ERR Protocol error: invalid multibulk length: 65537 is more than the 65536 that are allowed\r\n"},
		{"*2\r\n$3\r\nGET\r\n$2097153\r\n", "-ERR Protocol error: invalid bulk length: 2097153 is more than the 2097139 that are allowed\r\n"},
		{"*1\r\n$" + strings.Repeat("1", 100), "-ERR Protocol error: invalid bulk length\r\n"},
		{strings.Repeat("x", 70000), "-ERR Protocol error: too big inline request\r\n"},
		{"PING 'a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
		{request("PING") + "*x\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"},
	} {
		c := dial(t, addr)
		c.send(test.in)
		if got := c.expectEnd(); got != test.want {
			t.Errorf("%.40q: got %q, want %q", test.in, got, test.want)
		}
	}
	if !strings.Contains(log.String(), "connection closed") {
		t.Errorf("log: %s", log.String())
	}
}

// TestOrder: answers come in the order of the requests, and a request sees what
// those before it did, also when one of them sleeps.
func TestOrder(t *testing.T) {
	_, addr := serve(t, Options{})
	c := dial(t, addr)
	c.send(request("SET", "k", "1") + request("EVAL", "sleep 50ms\nset k 2\nreturn \"slept\"", "0") + request("GET", "k") +
		request("INCR", "k") + request("NOSUCH") + request("GET", "k"))
	c.expect("+OK\r\n$5\r\nslept\r\n$1\r\n2\r\n:3\r\n")
	if a := c.answer(); !strings.HasPrefix(a, "-ERR unknown command") {
		t.Errorf("got %q", a)
	}
	c.expect("$1\r\n3\r\n")
}

// TestPipeline: many more requests than may wait are answered, each in its turn.
func TestPipeline(t *testing.T) {
	_, addr := serveStore(t, openDisk(t), Options{Pipeline: 16})
	c := dial(t, addr)
	const n = 3000
	go func() {
		var b strings.Builder
		for range n {
			b.WriteString(request("INCR", "n"))
		}
		_, _ = io.WriteString(c, b.String())
	}()
	for i := range n {
		c.expect(fmt.Sprintf(":%d\r\n", i+1))
	}
}

func openDisk(t testing.TB) *kahuna.DB {
	t.Helper()
	db, err := kahuna.Open(t.TempDir(), &kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
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

// TestSlowReader: who does not read the answers is cut off, with a line in the
// log; others go on.
func TestSlowReader(t *testing.T) {
	var log logged
	s, addr := serve(t, Options{Logger: log.logger(), OutputBytes: 1 << 20})
	c := dial(t, addr)
	c.do("+OK\r\n", "SET", "k", strings.Repeat("v", 1<<20))
	gets := strings.Repeat(request("GET", "k"), 200)
	_, _ = io.WriteString(c, gets) // fails when it is cut off early
	eventually(t, func() bool { return strings.Contains(log.String(), "does not read its answers") })
	eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.conns) == 0 })
	dial(t, addr).do("+PONG\r\n", "PING")
}

// TestFastSender: a connection that sends more than can be run is made to wait,
// and gets all its answers.
func TestFastSender(t *testing.T) {
	s, addr := serve(t, Options{InputBytes: 1 << 20})
	c := dial(t, addr)
	c.send(request("EVAL", "sleep 200ms\nreturn 'slept'", "0"))
	const n = 400_000
	ping := []byte(strings.Repeat(request("PING"), n/100))
	sent := make(chan error, 1)
	go func() {
		var err error
		for range 100 {
			if err == nil {
				_, err = c.Write(ping)
			}
		}
		sent <- err
	}()
	c.expect("$5\r\nslept\r\n")
	pong := strings.Repeat("+PONG\r\n", 1000)
	for range n / 1000 {
		c.expect(pong)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	c.do("+PONG\r\n", "PING")
	if s.input.Load() != 0 || s.parked.Load() != 0 {
		t.Errorf("input %d, parked %d", s.input.Load(), s.parked.Load())
	}
}

// TestParked: a connection whose request takes long does not fill the memory; it
// ends with the server, and when it is killed.
func TestParked(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, addr := serve(t, Options{InputBytes: 1 << 20, Context: ctx})
	c, killer := dial(t, addr), dial(t, addr)
	flood := func(c *rawClient) <-chan error {
		c.send(request("EVAL", "begin (timeout=100000)\nset k 1\nsleep 90s\ncommit\nend", "0"))
		ping, ended := []byte(strings.Repeat(request("PING"), 10000)), make(chan error, 1)
		go func() {
			for {
				if _, err := c.Write(ping); err != nil {
					ended <- err
					return
				}
			}
		}()
		return ended
	}
	ended := flood(c)
	eventually(t, func() bool { return s.parked.Load() == 1 })
	if n := s.input.Load(); n > 1<<20 {
		t.Errorf("%d bytes wait", n)
	}
	killer.send(request("CLIENT", "LIST"))
	if got := killer.answer(); !strings.Contains(got, "fd=-1") {
		t.Errorf("a parked connection is listed as %q", got)
	}
	killer.do(":1\r\n", "CLIENT", "KILL", "ID", "1")
	<-ended
	eventually(t, func() bool { return s.open.Load() == 1 && s.parked.Load() == 0 && s.input.Load() == 0 })

	other := flood(dial(t, addr))
	eventually(t, func() bool { return s.parked.Load() == 1 })
	cancel()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-other
	if s.open.Load() != 0 || s.parked.Load() != 0 {
		t.Errorf("open %d, parked %d", s.open.Load(), s.parked.Load())
	}
}

// TestEndless: a connection that sends for ever and never reads is cut off.
func TestEndless(t *testing.T) {
	var log logged
	s, addr := serve(t, Options{Logger: log.logger(), InputBytes: 1 << 20, OutputBytes: 1 << 20})
	c := dial(t, addr)
	c.do("+OK\r\n", "SET", "k", strings.Repeat("v", 1<<18))
	get := []byte(strings.Repeat(request("GET", "k"), 1000))
	for {
		if _, err := c.Write(get); err != nil {
			break
		}
	}
	if !strings.Contains(log.String(), "faster than its requests can be run") && !strings.Contains(log.String(), "does not read its answers") {
		t.Errorf("log: %s", log.String())
	}
	eventually(t, func() bool { return s.input.Load() == 0 && s.output.Load() == 0 })
}

func eventually(t *testing.T, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

// TestConnections: more connections than allowed are refused; a half-open one
// takes no place once it is gone.
func TestConnections(t *testing.T) {
	s, addr := serve(t, Options{Connections: 2})
	a, b := dial(t, addr), dial(t, addr)
	a.do("+PONG\r\n", "PING")
	b.do("+PONG\r\n", "PING")
	if got := dial(t, addr).expectEnd(); got != "-ERR max number of clients reached\r\n" {
		t.Errorf("got %q", got)
	}
	a.send("*2\r\n$3\r\nGET\r\n") // in the middle of a request
	if err := a.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.conns) == 1 })
	dial(t, addr).do("+PONG\r\n", "PING")
}

// TestShutdown: what runs is answered, what came later is not run, and the
// connections are closed.
func TestShutdown(t *testing.T) {
	db := openStore(t)
	s := New(db, Options{})
	addr, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, idle := dial(t, addr.String()), dial(t, addr.String())
	idle.do("+PONG\r\n", "PING")
	c.send(request("EVAL", "eset started 1\nsleep 100ms\nset k 1\nreturn 7", "0") + request("SET", "later", "1"))
	eventually(t, func() bool { return s.requests.Load() == 2 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if got := c.expectEnd(); got != ":7\r\n" {
		t.Errorf("got %q", got)
	}
	if got := idle.expectEnd(); got != "" {
		t.Errorf("got %q", got)
	}
	if found, err := db.Exists(ctx, "later"); err != nil || found {
		t.Errorf("a request that came behind: %v %v", found, err)
	}
	if err := s.Serve(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr.String()); err == nil {
		t.Error("it still listens")
	}
}

// TestListenErrors: an address that is taken is an error.
func TestListenErrors(t *testing.T) {
	_, addr := serve(t, Options{})
	if _, err := New(openStore(t), Options{}).Listen(addr); err == nil {
		t.Error("listened on an address that was taken")
	}
	small, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{SourceBytes: 10}})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if _, err := New(small, Options{}).Listen("127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "the script of the Redis command") {
		t.Errorf("a store that cannot compile the scripts of commands: %v", err)
	}
}

// TestWriterLines: no error breaks the protocol.
func TestWriterLines(t *testing.T) {
	var w writer
	w.fail("A b\r\nc")
	if !bytes.Equal(w.b, []byte("-A b  c\r\n")) {
		t.Errorf("%q", w.b)
	}
}

// TestStopped: a script that runs off the loop is told when it has to end.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db := openStore(t)
	_, addr := serveStore(t, db, Options{Context: ctx})
	c, probe := dial(t, addr), dial(t, addr)
	c.send(request("EVAL", "begin (timeout=100000)\nset k 1\nsleep 90s\ncommit\nend", "0"))
	eventually(t, func() bool { // until k is locked
		probe.send(request("EVAL", "begin (timeout=1)\nset k 3\nrollback\nend", "0"))
		return strings.HasPrefix(probe.answer(), "-TIMEOUT")
	})
	cancel()
	if got := c.answer(); !strings.HasPrefix(got, "-CANCELED ") {
		t.Errorf("got %q", got)
	}
	if found, err := db.Exists(t.Context(), "k"); err != nil || found {
		t.Errorf("it took effect: %v, %v", found, err)
	}
}

// TestPausedReader: a connection that reads slowly gets all answers, however many
// they are; its requests wait for it.
func TestPausedReader(t *testing.T) {
	s, addr := serve(t, Options{OutputBytes: 4 << 20})
	c := dial(t, addr)
	value := strings.Repeat("v", 1<<20)
	c.do("+OK\r\n", "SET", "k", value)
	const n = 30
	c.send(strings.Repeat(request("GET", "k"), n))
	eventually(t, func() bool { return s.output.Load() > 1<<20 })
	for range n {
		c.expect("$1048576\r\n" + value + "\r\n")
	}
	c.do("+PONG\r\n", "PING")
}

// TestAllOutput: when all connections together exceed their bound, those that
// have the most waiting are cut off.
func TestAllOutput(t *testing.T) {
	var log logged
	s, addr := serve(t, Options{AllOutputBytes: 8 << 20, Logger: log.logger()})
	small := dial(t, addr)
	small.do("+OK\r\n", "SET", "k", strings.Repeat("v", 1<<20))
	var large []*rawClient
	for range 8 {
		c := dial(t, addr)
		c.send(strings.Repeat(request("GET", "k"), 20))
		large = append(large, c)
	}
	eventually(t, func() bool { return strings.Contains(log.String(), "fast enough") })
	small.do("+PONG\r\n", "PING")
	for _, c := range large {
		c.Close()
	}
	eventually(t, func() bool { return s.output.Load() == 0 && s.open.Load() == 1 })
}

// TestManyLargeAnswers: answers that wait for the disk together are bounded too.
func TestManyLargeAnswers(t *testing.T) {
	var log logged
	s := New(openStore(t), Options{OutputBytes: 1 << 20, Logger: log.logger()})
	f, c := open(s)
	slot := c.newSlot(nil)
	c.started(slot, false)
	for range 3 {
		full := c.newSlot(func(w *writer, _ *answer) { w.bulk(strings.Repeat("v", 500<<10)) })
		c.started(full, true)
		full.finish()
	}
	if n := c.held.Load(); n > 1<<20 {
		t.Errorf("%d bytes are held", n)
	}
	if c.traffic(nil) != gnet.Close || !strings.Contains(log.String(), "fast enough") {
		t.Errorf("not cut off: %s", log.String())
	}
	s.OnClose(f, nil)
}

// TestHTTP: what a page in a browser can send is not run, whatever stands in it.
func TestHTTP(t *testing.T) {
	_, addr := serve(t, Options{})
	c := dial(t, addr)
	c.do("+OK\r\n", "SET", "k", "v")
	for _, first := range []string{"POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost: x\r\n", "PUT /k HTTP/1.1\r\n"} {
		web := dial(t, addr)
		web.send(first + "Content-Length: 9\r\n\r\nFLUSHDB\r\n")
		web.expectEnd()
	}
	c.do("$1\r\nv\r\n", "GET", "k")
}

// TestLargeTransaction: the answers of a transaction are bounded while they are
// made, and a transaction with more is undone.
func TestLargeTransaction(t *testing.T) {
	_, addr := serve(t, Options{OutputBytes: 1 << 20})
	c := dial(t, addr)
	c.do("+OK\r\n", "SET", "big", strings.Repeat("x", 300<<10))
	c.do("+OK\r\n", "MULTI")
	c.do("+QUEUED\r\n", "SET", "k", "v")
	for range 100 {
		c.do("+QUEUED\r\n", "GET", "big")
	}
	c.send(request("EXEC"))
	if got := c.answer(); !strings.HasPrefix(got, "-EXECABORT Transaction undone as a whole: command 5 (GET) failed: ") {
		t.Errorf("got %.200q", got)
	}
	c.do(":0\r\n", "EXISTS", "k")
}

// TestResultsOnce: a result is counted under one name, whoever found the error.
func TestResultsOnce(t *testing.T) {
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{ValueBytes: 10}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, addr := serveStore(t, db, Options{})
	c := dial(t, addr)
	large := strings.Repeat("x", 11)
	for _, args := range [][]string{{"SET", "k", large}, {"GETSET", "k", large}} {
		c.send(request(args...))
		if got := strings.ToLower(c.answer()); !strings.HasPrefix(got, "-limit ") {
			t.Errorf("%s: %q", args[0], got)
		}
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(s)
	if _, err := r.Gather(); err != nil {
		t.Error(err)
	}
}
