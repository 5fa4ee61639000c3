package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"kahuna"
	"kahuna/internal/answer"
	"kahuna/internal/restwire"
	pb "kahuna/internal/wirepb"
	"kahuna/script"
	"kahuna/spec"
)

// original is a script face of the original system.
type original interface {
	script(ctx context.Context, r *pb.TryExecuteTransactionScriptRequest) (*pb.TryExecuteTransactionScriptResponse, error)
}

// overGRPC sends scripts one after the other in a stream.
type overGRPC struct {
	stream grpc.BidiStreamingClient[pb.BatchClientKeyValueRequest, pb.BatchClientKeyValueResponse]
}

func (g overGRPC) script(_ context.Context, r *pb.TryExecuteTransactionScriptRequest) (*pb.TryExecuteTransactionScriptResponse, error) {
	err := g.stream.Send(&pb.BatchClientKeyValueRequest{Type: pb.KvBatchType_KV_BATCH_TYPE_SCRIPT,
		Payload: &pb.BatchClientKeyValueRequest_TryExecuteTransactionScript{TryExecuteTransactionScript: r}})
	if err != nil {
		return nil, err
	}
	a, err := g.stream.Recv()
	return a.GetTryExecuteTransactionScript(), err
}

// overREST sends scripts as JSON.
type overREST struct{ url string }

func (o overREST) script(ctx context.Context, r *pb.TryExecuteTransactionScriptRequest) (*pb.TryExecuteTransactionScriptResponse, error) {
	type parameter struct {
		Key   string  `json:"Key"`
		Value *string `json:"Value"`
		JSON  *string `json:"json"`
		Bytes []byte  `json:"bytes"`
	}
	body := struct {
		Script         []byte      `json:"script"`
		Parameters     []parameter `json:"parameters"`
		IdempotencyKey *string     `json:"idempotencyKey"`
	}{Script: r.Script, IdempotencyKey: r.IdempotencyKey}
	for _, p := range r.Parameters {
		body.Parameters = append(body.Parameters, parameter{p.Key, p.Value, p.Json, p.Bytes})
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, "POST", o.url+"/v1/kv/try-execute-tx-script", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err = io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	type stamp struct{ L int64 }
	var a struct {
		Type   int32
		Reason *string
		Values []struct {
			Key                   *string
			Value                 *string
			Kind                  string
			Revision              int64
			Expires, LastModified stamp
		}
		Detail struct {
			Outcome, Code, Message, Hint, UserCode, Source, Op, Key string
			Line, Column                                            int32
			Retry, List                                             bool
			Warnings                                                []*pb.Warning
			Diagnostics                                             []*pb.Diagnostic
		}
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("%w in %s", err, data)
	}
	d := a.Detail
	out := &pb.TryExecuteTransactionScriptResponse{Type: pb.KvType(a.Type), Reason: a.Reason, Detail: &pb.Detail{Code: d.Code, Message: d.Message,
		Outcome: map[string]pb.Outcome{"applied": pb.Outcome_OUTCOME_APPLIED, "not_applied": pb.Outcome_OUTCOME_NOT_APPLIED, "unknown": pb.Outcome_OUTCOME_UNKNOWN}[d.Outcome],
		Hint:    d.Hint, UserCode: d.UserCode, Source: d.Source, Op: d.Op, Key: d.Key, Line: d.Line, Column: d.Column, Retry: d.Retry, List: d.List,
		Warnings: d.Warnings, Diagnostics: d.Diagnostics}}
	for _, v := range a.Values {
		e := &pb.TryExecuteTransactionResponseValue{Revision: v.Revision, ExpiresPhysical: v.Expires.L, LastModifiedPhysical: v.LastModified.L}
		if v.Key != nil {
			e.Key = *v.Key
		}
		for k := kahuna.KindNull; k <= kahuna.KindMap; k++ {
			if k.String() == v.Kind {
				e.Kind = pb.ValueKind(k)
			}
		}
		if v.Value != nil {
			if e.Value, err = base64.StdEncoding.DecodeString(*v.Value); err != nil {
				return nil, err
			}
		}
		out.Values = append(out.Values, e)
	}
	return out, nil
}

// originalRunner runs the conformance suite through a face.
type originalRunner struct{ face original }

func (r originalRunner) Run(ctx context.Context, req spec.Request) spec.Response {
	q := &pb.TryExecuteTransactionScriptRequest{Script: []byte(req.Source)}
	if req.IdempotencyKey != "" {
		q.IdempotencyKey = &req.IdempotencyKey
	}
	for name, v := range req.Params {
		p := &pb.KeyValueParameter{Key: "@" + strings.TrimPrefix(name, "@")}
		switch v := v.(type) {
		case string:
			if p.Value = &v; !utf8.ValidString(v) {
				p.Value, p.Bytes = nil, []byte(v)
			}
		case []byte:
			p.Bytes = append([]byte{}, v...)
		default:
			value, err := script.ValueOf(v)
			if err != nil {
				return spec.Response{Err: err}
			}
			text, ok := script.JSON(value)
			if !ok {
				return spec.Response{Err: fmt.Errorf("@%s has no JSON", name)}
			}
			p.Json = &text
		}
		q.Parameters = append(q.Parameters, p)
	}
	a, err := r.face.script(ctx, q)
	if err != nil {
		return spec.Response{Err: err}
	}
	return responseOf(a)
}

func (r originalRunner) Wait(ctx context.Context, d time.Duration) error {
	return spec.WaitReal(ctx, d)
}

// responseOf is what an answer says, as the suite judges it.
func responseOf(a *pb.TryExecuteTransactionScriptResponse) spec.Response {
	d := a.GetDetail()
	outcome := map[pb.Outcome]kahuna.Outcome{pb.Outcome_OUTCOME_APPLIED: kahuna.Applied, pb.Outcome_OUTCOME_UNKNOWN: kahuna.Unknown}[d.GetOutcome()]
	var warnings []kahuna.Warning
	for _, w := range d.GetWarnings() {
		warnings = append(warnings, kahuna.Warning{Line: int(w.Line), Column: int(w.Column), Text: w.Text})
	}
	if a.Type >= pb.KvType_KV_TYPE_ERRORED && a.Type != pb.KvType_KV_TYPE_DOES_NOT_EXIST {
		e := &kahuna.Error{Code: kahuna.Code(d.GetCode()), Outcome: outcome, Message: d.GetMessage(), Hint: d.GetHint(), UserCode: d.GetUserCode(),
			Line: int(d.GetLine()), Column: int(d.GetColumn()), Source: d.GetSource(), Op: d.GetOp(), Key: d.GetKey(), Retry: d.GetRetry(), Warnings: warnings}
		for _, x := range d.GetDiagnostics() {
			e.Diagnostics = append(e.Diagnostics, kahuna.Diagnostic{Warning: x.Warning, Code: kahuna.Code(x.Code), Line: int(x.Line), Column: int(x.Column), Message: x.Message, Hint: x.Hint})
		}
		if e.Type() != kahuna.Type(a.Type) {
			return spec.Response{Err: fmt.Errorf("the type is %v: %w", a.Type, e)}
		}
		return spec.Response{Err: e}
	}
	res := &kahuna.Result{Type: kahuna.Type(a.Type), Outcome: outcome, Op: restwire.OpOf(d.GetOp()), List: d.GetList(), Warnings: warnings}
	at := func(ms int64) time.Time {
		if ms == 0 {
			return time.Time{}
		}
		return time.UnixMilli(ms)
	}
	for _, v := range a.Values {
		res.Entries = append(res.Entries, kahuna.Entry{Key: v.Key, Value: string(v.Value), Kind: kahuna.Kind(v.Kind), Revision: v.Revision,
			Expires: at(v.ExpiresPhysical), Modified: at(v.LastModifiedPhysical)})
	}
	return spec.Response{Result: answer.Result(res)}
}

// serveOriginal serves an empty store over gRPC and REST.
func serveOriginal(t testing.TB) (conn *grpc.ClientConn, url string) {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	log, logger := newLogged()
	s := New(db, Options{Logger: logger})
	s.Add("http", "127.0.0.1:0", s.HTTP())
	s.Add("grpc", "127.0.0.1:0", s.GRPC())
	drain, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- s.Run(drain, make(chan struct{})) }()
	log.await(t, "msg=ready")
	conn, err = grpc.NewClient(s.fronts[1].taken.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		close(drain)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn, "http://" + s.fronts[0].taken.String()
}

// faces are the ways to a store.
func faces(t testing.TB) map[string]original {
	t.Helper()
	conn, url := serveOriginal(t)
	return map[string]original{"grpc": streamOf(t, conn), "rest": overREST{url}}
}

func streamOf(t testing.TB, conn *grpc.ClientConn) original {
	t.Helper()
	stream, err := pb.NewKeyValuerClient(conn).BatchClientKeyValueRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return overGRPC{stream}
}

// TestOriginalConformance: the suite of the language through the original's
// gRPC and REST: same results, codes, places and outcomes.
func TestOriginalConformance(t *testing.T) {
	for name, face := range map[string]func(t *testing.T, conn *grpc.ClientConn, url string) original{
		"grpc": func(t *testing.T, conn *grpc.ClientConn, _ string) original { return streamOf(t, conn) },
		"rest": func(_ *testing.T, _ *grpc.ClientConn, url string) original { return overREST{url} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec.RunAll(t, func(t *testing.T) spec.Runner {
				conn, url := serveOriginal(t)
				return originalRunner{face(t, conn, url)}
			})
		})
	}
}

// limiters are rate limiters of the kinds that the clients of the original ship:
// two calls a second for each key. They answer whether the call is allowed.
var limiters = map[string]string{
	"fixed window": `let window = to_int(@now) / 1000
let key = concat("fixed/", @key, "/", window)
let n = to_int(get (key)) + 1
if n > 2 then return false end
set (key) n ex 2000
return true`,
	"sliding window": `let entry = from_json(get @key ?? "[]")
let kept = []
for t in entry do
  if t > to_int(@now) - 1000 then let kept = append(kept, t) end
end
if count(kept) >= 2 then return false end
set @key to_json(append(kept, to_int(@now))) ex 1000
return true`,
	"token bucket": `let state = from_json(get @key ?? "null")
let tokens = 2.0
if !is_null(state) then
  let tokens = min(2.0, state.tokens + (to_int(@now) - state.since) * 2 / 1000.0)
end
if tokens < 1 then return false end
set @key to_json({tokens: tokens - 1, since: to_int(@now)}) ex 60000
return true`,
	"concurrency": `let n = to_int(get @key)
if @release == "true" then
  if n > 0 then set @key n - 1 end
  return true
end
if n >= 2 then return false end
set @key n + 1 ex 60000
return true`,
}

// TestLimiters: limiters over gRPC and REST allow what they are to allow.
func TestLimiters(t *testing.T) {
	for name, source := range limiters {
		for face, o := range faces(t) {
			call := func(now, release string) string {
				key := name + "/" + face
				a, err := o.script(t.Context(), &pb.TryExecuteTransactionScriptRequest{Script: []byte(source), Parameters: []*pb.KeyValueParameter{
					{Key: "@key", Value: &key}, {Key: "@now", Value: &now}, {Key: "@release", Value: &release}}})
				if err != nil || len(a.Values) != 1 {
					t.Fatal(name, face, err, a)
				}
				return string(a.Values[0].Value)
			}
			var got []string
			for _, now := range []string{"10000", "10100", "10200", "11150"} {
				got = append(got, call(now, "false"))
			}
			want := "true true false true"
			if name == "concurrency" {
				call("0", "true")
				got[3] = call("11150", "false")
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s over %s: %v, want %s", name, face, got, want)
			}
		}
	}
}

// TestOnePort is trap 8, and item 1: gRPC and REST over TLS on one port, by ALPN h2
// and HTTP/1.1.
func TestOnePort(t *testing.T) {
	dir := t.TempDir()
	_, logger := newLogged()
	cert, err := DevCertificate(dir, logger)
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, Options{Dir: dir}, func(s *Server) { s.Add("tls", "127.0.0.1:0", s.TLS(cert, s.RPC())) })
	addr, pool := s.addrs("tls")[0], devPool(t, dir)
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "localhost")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	kv := pb.NewKeyValuerClient(conn)
	if a, err := kv.TrySetKeyValue(t.Context(), &pb.TrySetKeyValueRequest{Key: "k", Value: []byte("v"), Durability: 1}); err != nil || a.Type != pb.KvType_KV_TYPE_SET {
		t.Fatal(a, err)
	}
	stream, err := kv.BatchClientKeyValueRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil { // before anything is sent
		t.Fatal(err)
	}
	face := overGRPC{stream}
	if a, err := face.script(t.Context(), &pb.TryExecuteTransactionScriptRequest{Script: []byte("get k")}); err != nil || string(a.GetValues()[0].GetValue()) != "v" {
		t.Error(a, err)
	}
	locks, err := pb.NewLockerClient(conn).BatchClientLockRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locks.Header(); err != nil {
		t.Error(err)
	}
	for proto := 1; proto <= 2; proto++ {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(proto == 1)
		protocols.SetHTTP2(proto == 2)
		c := &http.Client{Transport: &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{RootCAs: pool}}}
		res, err := c.Post("https://"+addr+"/v1/kv/try-get", "application/json", strings.NewReader(`{"key":"k","revision":-1,"durability":1}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		c.CloseIdleConnections()
		if err != nil || res.ProtoMajor != proto || !strings.Contains(string(body), `"value":"dg=="`) {
			t.Errorf("HTTP/%d: HTTP/%d %s %v", proto, res.ProtoMajor, body, err)
		}
	}
}
