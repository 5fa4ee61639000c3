package resp

import (
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The families of commands, by which requests are counted.
const (
	familyScript = iota
	familyRead
	familyWrite
	familyTransaction
	familyConnection
	familyServer
	familyUnknown
	familyCount
)

var familyNames = [familyCount]string{"script", "read", "write", "transaction", "connection", "server", "unknown"}

// histogramBuckets are the bounds of kahuna_request_duration_seconds: 50 µs, and
// each the double of the one before.
const (
	histogramBuckets = 18
	histogramFirst   = 50 * time.Microsecond
)

// tally counts the requests of a family. The loop counts, anybody reads.
type tally struct {
	ok      atomic.Uint64
	nanos   atomic.Uint64
	buckets [histogramBuckets + 1]atomic.Uint64

	mu     sync.Mutex
	failed map[string]uint64 // by code
}

// count counts a request that was answered now. code is that of its error, "" for
// none. n is its note, empty when it is the one that runs.
func (c *conn) count(cmd *command, begun time.Duration, code string, n note) {
	s, family := c.server, familyUnknown
	if cmd != nil {
		family = cmd.family
	}
	took := s.now - begun
	t := &s.tallies[family]
	t.nanos.Add(uint64(took))
	t.buckets[bucketOf(took)].Add(1)
	if code == "" {
		t.ok.Add(1)
	} else {
		t.mu.Lock()
		if t.failed == nil {
			t.failed = map[string]uint64{}
		}
		t.failed[strings.ToLower(code)]++
		t.mu.Unlock()
	}
	if took >= slowAfter && cmd != nil {
		if len(n) == 0 {
			n = n.of(cmd, c.args)
		}
		s.slow.add(c, n, took)
	}
}

// bucketOf is the first bucket whose bound is not less than d.
func bucketOf(d time.Duration) int {
	if d <= histogramFirst {
		return 0
	}
	return min(bits.Len64(uint64((d-1)/histogramFirst)), histogramBuckets)
}

// gauge is a figure of the server.
type gauge struct {
	desc *prometheus.Desc
	get  func(s *Server) int64
}

var gauges = []gauge{
	{desc("connections", "Open connections."), func(s *Server) int64 { return s.open.Load() }},
	{desc("input_buffered_bytes", "Bytes that connections have sent and that were not run."), func(s *Server) int64 { return s.input.Load() }},
	{desc("output_buffered_bytes", "Bytes of answers that connections did not read, as far as noted."), func(s *Server) int64 { return s.output.Load() }},
	{desc("parked_connections", "Connections that send faster than their requests can be run, and have to wait."), func(s *Server) int64 { return s.parked.Load() }},
	{desc("scripts", "Scripts kept for EVALSHA."), func(s *Server) int64 { return int64(s.scripts.count()) }},
}

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("kahuna_redis_"+name, help, nil, nil)
}

// The series that all protocols share, with their help as the server's.
var (
	requestsDesc = prometheus.NewDesc("kahuna_requests_total",
		"Requests that were answered, by protocol, call, and result: ok, or the code of the error.", []string{"protocol", "call", "result"}, nil)
	durationDesc = prometheus.NewDesc("kahuna_request_duration_seconds",
		"Time from a request's header to its answer.", []string{"protocol", "call"}, nil)
)

// Describe implements prometheus.Collector. It describes nothing, since other
// protocols have some of the series.
func (s *Server) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	for _, g := range gauges {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(g.get(s)))
	}
	for family, name := range familyNames {
		s.tallies[family].collect(name, ch)
	}
}

func (t *tally) collect(name string, ch chan<- prometheus.Metric) {
	requests := func(result string, n uint64) {
		ch <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(n), "redis", name, result)
	}
	requests("ok", t.ok.Load())
	t.mu.Lock()
	for code, n := range t.failed {
		requests(code, n)
	}
	t.mu.Unlock()
	buckets, count, bound := make(map[float64]uint64, histogramBuckets), uint64(0), histogramFirst.Seconds()
	for i := range histogramBuckets {
		count += t.buckets[i].Load()
		buckets[bound] = count
		bound *= 2
	}
	count += t.buckets[histogramBuckets].Load()
	ch <- prometheus.MustNewConstHistogram(durationDesc, count, time.Duration(t.nanos.Load()).Seconds(), buckets, "redis", name)
}
