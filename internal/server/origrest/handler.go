package origrest

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"kahuna/internal/server/wire"
	"kahuna/internal/wirepb"
)

// Options configure a Handler. The zero value are the defaults.
type Options struct {
	// BodyBytes bounds one body: 30,000,000. A larger one gets status 413.
	BodyBytes int64
	// BodiesBytes bounds all bodies that are in memory: 256 MiB. More are asked to
	// come again.
	BodiesBytes int64
	// Patience is how long a client may take to send a body, or to read an answer:
	// 30 s.
	Patience time.Duration
	// Logger gets what an operator should know; nil logs nothing.
	Logger *slog.Logger
	// Observe, when not nil, is told of every call that was answered: its name, its
	// result, and how long it took.
	Observe func(call, result string, took time.Duration)
}

// Handler answers the paths of the original system. It is safe for concurrent use.
type Handler struct {
	service *wire.Service
	opts    Options
	bodies  atomic.Int64 // bytes
}

// New returns the handler of a service.
func New(service *wire.Service, o Options) *Handler {
	if o.BodyBytes == 0 {
		o.BodyBytes = 30_000_000
	}
	if o.BodiesBytes == 0 {
		o.BodiesBytes = 256 << 20
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string, string, time.Duration) {}
	}
	return &Handler{service: service, opts: o}
}

// Serves reports whether a path is one of the original system.
func Serves(path string) bool {
	return path == "/" || endpoints[path] != nil || ofBackups(path)
}

func ofBackups(path string) bool {
	return path == "/v1/restore" || path == "/v1/backups" || strings.HasPrefix(path, "/v1/backups/")
}

const (
	jsonType    = "application/json; charset=utf-8"
	problemType = "application/problem+json"
	// bodyStep is how much of a body is read before memory for more is asked for.
	bodyStep = 64 << 10
)

// call is one request on its way.
type call struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	result string
	held   int64 // bytes of its body
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	c := &call{h: h, w: w, r: r, result: "ok"}
	name := "other"
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		h.bodies.Add(-c.held)
		h.opts.Observe(name, c.result, time.Since(start))
	}()
	e := endpoints[r.URL.Path]
	switch {
	case r.URL.Path == "/":
		name = "root"
		c.send(http.StatusOK, "text/plain; charset=utf-8", []byte("Kahuna.Server"))
	case ofBackups(r.URL.Path):
		name = "backups"
		c.backups()
	case e == nil:
		c.refuse(http.StatusNotFound, "there is nothing at "+strconv.Quote(r.URL.Path))
	case r.Method != e.method:
		w.Header().Set("Allow", e.method)
		c.refuse(http.StatusMethodNotAllowed, r.Method+" is not allowed here; it allows "+e.method)
	default:
		name = strings.TrimPrefix(r.URL.Path, "/v1/")
		c.answer(e)
	}
}

// answer reads the request, calls the service, and sends its answer.
func (c *call) answer(e *endpoint) {
	in := e.in()
	raw := map[string]any{}
	if e.method == http.MethodGet {
		for name, values := range c.r.URL.Query() {
			raw[name] = values[0]
		}
	} else if body, ok := c.body(e); !ok {
		return
	} else if len(body) > 0 || in.ProtoReflect().Descriptor().Fields().Len() > 0 {
		if !c.needJSON() {
			return
		}
		var err error
		if raw, err = parse(body); err != nil {
			c.refuse(http.StatusBadRequest, "the JSON of the request is wrong: "+err.Error())
			return
		}
	}
	if err := read(in.ProtoReflect(), raw, e.item); err != nil {
		c.refuse(http.StatusBadRequest, "the request is wrong: "+err.Error())
		return
	}
	lower := make(map[string]any, len(raw))
	for name, v := range raw {
		lower[strings.ToLower(name)] = v
	}
	out := c.execute(e, in, lower)
	var extra map[string]string
	if e.extra != nil {
		extra = e.extra(out)
	}
	status := http.StatusOK
	if e.status != nil {
		status = e.status(out)
	}
	if d, ok := out.(interface{ GetDetail() *wirepb.Detail }); ok && d.GetDetail().GetCode() != "" {
		c.result = d.GetDetail().GetCode()
	}
	c.send(status, jsonType, write(nil, out.ProtoReflect(), e.members, extra))
}

// execute calls the service. When that fails in the middle, the answer says so.
func (c *call) execute(e *endpoint, in proto.Message, raw map[string]any) (out proto.Message) {
	defer func() {
		if r := recover(); r != nil {
			c.h.opts.Logger.Error("a call failed", "call", c.r.URL.Path, "panic", r, "stack", string(debug.Stack()))
			out = e.empty()
			wire.Broken(out)
		}
	}()
	return e.call(c.r.Context(), c.h.service, in, raw)
}

// needJSON reports whether the body is said to be JSON. When it is not, it answers.
func (c *call) needJSON() bool {
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")) {
		return true
	}
	c.refuse(http.StatusUnsupportedMediaType, "send a JSON object as application/json")
	return false
}

// body reads the whole body. When it may not, it answers and returns false.
func (c *call) body(e *endpoint) ([]byte, bool) {
	limit := c.h.opts.BodyBytes
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(c.h.opts.Patience))
	// Later, only the client's going away ends the call.
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	var data []byte
	for c.r.ContentLength <= limit {
		if cap(data)-len(data) < bodyStep/2 {
			size := max(bodyStep, 2*cap(data))
			if n := c.r.ContentLength; n >= 0 {
				size = min(size, int(n)+bodyStep/2)
			}
			size = max(size, len(data)+bodyStep/2)
			if !c.hold(int64(size - cap(data))) {
				c.w.Header().Set("Connection", "close")
				c.result = "admission"
				c.send(http.StatusOK, jsonType, []byte(`{"type":`+strconv.Itoa(e.retry)+`}`)) // nothing was done
				return nil, false
			}
			data = append(make([]byte, 0, size), data...)
		}
		n, err := c.r.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			c.tooLarge()
			return nil, false
		case errors.Is(err, io.EOF):
			return data, true
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.w.Header().Set("Connection", "close")
			c.refuse(http.StatusRequestTimeout, "the body did not come in time")
			return nil, false
		case err != nil:
			c.w.Header().Set("Connection", "close")
			c.refuse(http.StatusBadRequest, "the body cannot be read: "+err.Error())
			return nil, false
		}
	}
	c.tooLarge()
	return nil, false
}

func (c *call) tooLarge() {
	c.w.Header().Set("Connection", "close") // the rest of it is not read
	c.refuse(http.StatusRequestEntityTooLarge, "the body has more than "+strconv.FormatInt(c.h.opts.BodyBytes, 10)+" bytes")
}

// hold takes n bytes of memory for the body.
func (c *call) hold(n int64) bool {
	if c.h.bodies.Add(n) > c.h.opts.BodiesBytes {
		c.h.bodies.Add(-n)
		return false
	}
	c.held += n
	return true
}

// send sends the answer. Only now does the client's patience count.
func (c *call) send(status int, mediaType string, data []byte) {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(c.h.opts.Patience))
	c.w.Header().Set("Content-Type", mediaType)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(data) // a client that went away is no news
	}
}

// refuse answers a request that is none.
func (c *call) refuse(status int, words string) {
	c.problem(status, words, "")
}

// problem answers with a problem document.
func (c *call) problem(status int, words, outcome string) {
	c.result = "bad_request"
	data, err := json.Marshal(struct {
		Title   string `json:"title"`
		Status  int    `json:"status"`
		Detail  string `json:"detail"`
		Outcome string `json:"outcome,omitempty"`
	}{http.StatusText(status), status, words, outcome})
	if err != nil {
		data = []byte("{}") // it is plain
	}
	c.send(status, problemType, data)
}

// backups answers all paths of backups: there are none. The outcome is in a
// header, where clients read it.
func (c *call) backups() {
	status := http.StatusServiceUnavailable
	if c.r.URL.Path == "/v1/restore" {
		body, ok := c.body(&endpoint{})
		if !ok || !c.needJSON() {
			return
		}
		request, err := parse(body)
		var r wirepb.RestoreRequest
		if err == nil {
			err = read(r.ProtoReflect(), request, nil)
		}
		if err != nil || strings.TrimSpace(r.TargetDir) == "" {
			c.problem(http.StatusBadRequest, "the target directory is missing", "")
			return
		}
		status = http.StatusForbidden
	}
	c.w.Header().Set("X-Kahuna-Backup-Outcome", wire.BackupOutcome)
	c.problem(status, wire.BackupWords, wire.BackupOutcome)
}
