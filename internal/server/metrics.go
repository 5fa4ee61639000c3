package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"kahuna"
)

// metrics are what /metrics shows: requests, the store, the process.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	underWay prometheus.Gauge
}

func newMetrics(store *kahuna.DB, p *places) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kahuna_requests_total",
			Help: "Requests that were answered, by protocol, call, and result: ok, or the code of the error."}, []string{"protocol", "call", "result"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kahuna_request_duration_seconds",
			Help: "Time from a request's header to its answer.", Buckets: prometheus.ExponentialBuckets(50e-6, 2, 18)}, []string{"protocol", "call"}),
		underWay: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kahuna_http_requests_under_way", Help: "Requests over HTTP, plain and over TLS, that are not answered yet."}),
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kahuna_http_connections", Help: "Connections of HTTP, plain and over TLS."},
		func() float64 { return float64(p.open.Load()) })
	refused := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "kahuna_http_connections_refused_total", Help: "Connections of HTTP that were refused, for there were --connections already."},
		func() float64 { return float64(p.refused.Load()) })
	m.registry.MustRegister(m.requests, m.latency, m.underWay, open, refused, &storeCollector{store}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) observer(protocol string) func(call, result string, took time.Duration) {
	return func(call, result string, took time.Duration) {
		m.requests.WithLabelValues(protocol, call, result).Inc()
		m.latency.WithLabelValues(protocol, call).Observe(took.Seconds())
	}
}

// storeCollector shows the statistics of a store.
type storeCollector struct{ store *kahuna.DB }

// stat is one figure of kahuna.Stats.
type stat struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(*kahuna.Stats) float64
}

func counter(name, help string, get func(*kahuna.Stats) float64) stat {
	return stat{prometheus.NewDesc("kahuna_"+name, help, nil, nil), prometheus.CounterValue, get}
}

func gauge(name, help string, get func(*kahuna.Stats) float64) stat {
	return stat{prometheus.NewDesc("kahuna_"+name, help, nil, nil), prometheus.GaugeValue, get}
}

// stats are the figures that are shown.
var stats = []stat{
	counter("fast_path_total", "Scripts and calls that ended on the fast path.", func(s *kahuna.Stats) float64 { return float64(s.FastPath) }),
	counter("slow_path_total", "Scripts and calls that ended on the slow path.", func(s *kahuna.Stats) float64 { return float64(s.SlowPath) }),
	counter("restarts_total", "Runs that were void and started over.", func(s *kahuna.Stats) float64 { return float64(s.Restarts) }),
	counter("transactions_total", "Interactive transactions that were committed.", func(s *kahuna.Stats) float64 { return float64(s.Transactions) }),
	counter("conflicts_total", "Transactions that lost against another one.", func(s *kahuna.Stats) float64 { return float64(s.Conflicts) }),
	counter("lock_waits_total", "How often one had to wait for a lock.", func(s *kahuna.Stats) float64 { return float64(s.LockWaits) }),
	counter("lock_wait_seconds_total", "Time spent waiting for locks.", func(s *kahuna.Stats) float64 { return s.LockWait.Total.Seconds() }),
	counter("room_wait_seconds_total", "Time spent waiting for what is to be written or applied.", func(s *kahuna.Stats) float64 { return s.RoomWait.Total.Seconds() }),
	counter("durable_waits_total", "Answers that waited to become durable.", func(s *kahuna.Stats) float64 { return float64(s.DurableWait.Count) }),
	counter("durable_wait_seconds_total", "Time they waited.", func(s *kahuna.Stats) float64 { return s.DurableWait.Total.Seconds() }),
	counter("admission_wait_seconds_total", "Time spent waiting for the slow path.", func(s *kahuna.Stats) float64 { return s.AdmissionWait.Total.Seconds() }),
	counter("admission_refused_total", "Scripts that were not admitted to the slow path.", func(s *kahuna.Stats) float64 { return float64(s.AdmissionRefused) }),
	gauge("slow_scripts", "Scripts under way on the slow path.", func(s *kahuna.Stats) float64 { return float64(s.SlowScripts) }),
	gauge("slow_waiting", "Scripts that wait to be admitted to it.", func(s *kahuna.Stats) float64 { return float64(s.SlowWaiting) }),
	counter("batches_total", "Entries written to the log.", func(s *kahuna.Stats) float64 { return float64(s.Batches) }),
	counter("batched_scripts_total", "Scripts in these entries.", func(s *kahuna.Stats) float64 { return float64(s.BatchedScripts) }),
	counter("fsyncs_total", "Fsyncs of the log.", func(s *kahuna.Stats) float64 { return float64(s.Fsyncs) }),
	counter("fsync_seconds_total", "Time of all fsyncs of the log.", func(s *kahuna.Stats) float64 { return s.FsyncTime.Seconds() }),
	gauge("fsync_seconds_last", "Time of the last fsync of the log.", func(s *kahuna.Stats) float64 { return s.LastFsync.Seconds() }),
	gauge("fsync_seconds_max", "Time of the slowest fsync of the log.", func(s *kahuna.Stats) float64 { return s.MaxFsync.Seconds() }),
	gauge("unapplied_bytes", "Bytes that wait to be applied to the rows.", func(s *kahuna.Stats) float64 { return float64(s.UnappliedBytes) }),
	gauge("log_queue_bytes", "Bytes that wait to be written to the log.", func(s *kahuna.Stats) float64 { return float64(s.LogQueueBytes) }),
	gauge("rows", "Rows of the persistent space.", func(s *kahuna.Stats) float64 { return float64(s.Rows) }),
	gauge("rows_bytes", "Bytes of the rows on disk.", func(s *kahuna.Stats) float64 { return float64(s.RowsBytes) }),
	gauge("log_bytes", "Bytes of the log on disk.", func(s *kahuna.Stats) float64 { return float64(s.LogBytes) }),
	gauge("idempotency_keys", "Idempotency keys that are remembered.", func(s *kahuna.Stats) float64 { return float64(s.IdempotencyKeys) }),
	gauge("idempotency_bytes", "About what their results take.", func(s *kahuna.Stats) float64 { return float64(s.IdempotencyBytes) }),
	gauge("row_cache_bytes", "Bytes of the cache of rows.", func(s *kahuna.Stats) float64 { return float64(s.RowCacheBytes) }),
	counter("row_cache_hits_total", "Rows found in the cache.", func(s *kahuna.Stats) float64 { return float64(s.RowCacheHits) }),
	counter("row_cache_misses_total", "Rows read from the disk.", func(s *kahuna.Stats) float64 { return float64(s.RowCacheMisses) }),
	counter("write_stalls_total", "How often writing waited for flushes and compactions.", func(s *kahuna.Stats) float64 { return float64(s.Stalls) }),
	gauge("ephemeral_rows", "Rows of the ephemeral space.", func(s *kahuna.Stats) float64 { return float64(s.EphemeralRows) }),
	gauge("ephemeral_bytes", "Bytes of the ephemeral space.", func(s *kahuna.Stats) float64 { return float64(s.EphemeralBytes) }),
	counter("ephemeral_evicted_total", "Rows evicted for lack of memory.", func(s *kahuna.Stats) float64 { return float64(s.EphemeralEvicted) }),
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range stats {
		ch <- s.desc
	}
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	now := c.store.Stats()
	for _, s := range stats {
		ch <- prometheus.MustNewConstMetric(s.desc, s.kind, s.get(&now))
	}
}
