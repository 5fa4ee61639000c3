package resp

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kahuna/internal/server"
)

// TestMetrics: /metrics has the requests of this protocol beside those of others.
func TestMetrics(t *testing.T) {
	db := openStore(t)
	s, addr := serveStore(t, db, Options{})
	all := server.New(db, server.Options{})
	all.Collect(s)
	all.Observer("rest")("run", "ok", time.Millisecond)
	c := dial(t, addr)
	steps(t, c, `
SET k v => +OK
GET k => $1 v
GET k => $1 v
INCR k => -ERR value is not an integer or out of range
EVAL "throw 'sold out', 'SOLDOUT'" 0 => -SOLDOUT sold out (line 1, column 1)
NOSUCH => ?
`)
	front := all.HTTP()
	at, err := front.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- front.Serve() }()
	defer func() {
		if err := errors.Join(front.Close(), <-served); err != nil {
			t.Error(err)
		}
	}()
	res, err := http.Get("http://" + at.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %v: %s", res.StatusCode, err, body)
	}
	for _, want := range []string{
		`kahuna_requests_total{call="run",protocol="rest",result="ok"} 1`,
		`kahuna_requests_total{call="read",protocol="redis",result="ok"} 2`,
		`kahuna_requests_total{call="write",protocol="redis",result="ok"} 1`,
		`kahuna_requests_total{call="write",protocol="redis",result="err"} 1`,
		`kahuna_requests_total{call="script",protocol="redis",result="throw"} 1`,
		`kahuna_requests_total{call="unknown",protocol="redis",result="err"} 1`,
		`kahuna_request_duration_seconds_count{call="write",protocol="redis"} 2`,
		`kahuna_request_duration_seconds_bucket{call="write",protocol="redis",le="+Inf"} 2`,
		`kahuna_redis_connections 1`,
		`kahuna_redis_scripts 1`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", body)
	}
}

// TestBuckets: a time is counted below the first bound that is not less.
func TestBuckets(t *testing.T) {
	for d, want := range map[time.Duration]int{0: 0, histogramFirst: 0, histogramFirst + 1: 1, 2 * histogramFirst: 1, 2*histogramFirst + 1: 2,
		4 * histogramFirst: 2, time.Hour: histogramBuckets} {
		if got := bucketOf(d); got != want {
			t.Errorf("%v is in %d, not in %d", d, got, want)
		}
	}
}
