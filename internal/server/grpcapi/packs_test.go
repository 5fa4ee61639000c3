package grpcapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"kahuna"
	"kahuna/internal/restwire"
	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// packed returns a stream whose client reads packs.
func (f *fixture) packed() kvStream {
	f.t.Helper()
	s, err := f.kv.BatchClientKeyValueRequests(metadata.AppendToOutgoingContext(f.t.Context(), pb.PackHeader, "1"))
	if err != nil {
		f.t.Fatal(err)
	}
	header, err := s.Header()
	if err != nil || len(header.Get(pb.PackHeader)) == 0 {
		f.t.Fatalf("the headers are %v, %v", header, err)
	}
	return kvStream{s, f.t}
}

// answers returns n answers by their ids, and of how many messages they are.
func (s kvStream) answers(n int) (byID map[int32]*pb.BatchClientKeyValueResponse, messages int) {
	s.t.Helper()
	byID = map[int32]*pb.BatchClientKeyValueResponse{}
	for got := 0; got < n; messages++ {
		m := s.recv()
		list := m.Pack
		if len(list) == 0 {
			list = append(list, m)
		}
		if len(list) > pb.PackMost {
			s.t.Errorf("a pack of %d", len(list))
		}
		for _, a := range list {
			byID[a.RequestId] = a
		}
		got += len(list)
	}
	return byID, messages
}

// TestPacks: requests of a pack are answered once each, in packs for a client that
// reads them only.
func TestPacks(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	const n = 600
	pack := func() *pb.BatchClientKeyValueRequest {
		m := &pb.BatchClientKeyValueRequest{}
		for i := range n {
			q := scriptRequest(int32(i), "set @k 1 return @k")
			q.GetTryExecuteTransactionScript().Parameters = []*pb.KeyValueParameter{{Key: "@k", Value: proto.String(fmt.Sprint("k", i))}}
			m.Pack = append(m.Pack, q)
		}
		return m
	}
	s := f.packed()
	s.send(pack())
	got, _ := s.answers(n)
	if len(got) != n {
		t.Errorf("%d answers", len(got))
	}
	for i, a := range got {
		values := a.GetTryExecuteTransactionScript().GetValues()
		if len(values) != 1 || string(values[0].Value) != fmt.Sprint("k", i) {
			t.Fatalf("the answer to %d is %v", i, a)
		}
	}
	old := f.stream() // reads no packs
	old.send(pack())
	seen := map[int32]bool{}
	for range n {
		a := old.recv()
		if len(a.Pack) > 0 {
			t.Fatal("a pack for a client that does not read them")
		}
		seen[a.RequestId] = true
	}
	if len(seen) != n {
		t.Errorf("%d answers", len(seen))
	}
}

// heldStream is a stream with one message, whose first answer is not sent before the
// requests of the message are answered.
type heldStream struct {
	ctx     context.Context
	message *pb.BatchClientKeyValueRequest
	read    chan struct{} // closed when a second message is asked for
	sent    []*pb.BatchClientKeyValueResponse
}

func (s *heldStream) SendHeader(metadata.MD) error { return nil }
func (s *heldStream) SetTrailer(metadata.MD)       {}
func (s *heldStream) Context() context.Context     { return s.ctx }

func (s *heldStream) Recv() (*pb.BatchClientKeyValueRequest, error) {
	if m := s.message; m != nil {
		s.message = nil
		return m, nil
	}
	close(s.read)
	return nil, io.EOF
}

func (s *heldStream) Send(m *pb.BatchClientKeyValueResponse) error {
	<-s.read
	s.sent = append(s.sent, m)
	return nil
}

// TestWaitingAnswersArePacked: the answers that wait while one is sent go together,
// within the bounds of a pack.
func TestWaitingAnswersArePacked(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	k := &keyValuer{s: f.server}
	large := strings.Repeat("x", pb.PackBytesMost)
	for _, tt := range []struct {
		n, most int
		answer  string
	}{{600, 1 + 3, ""}, {3, 3, large}} {
		d := k.dialect()
		d.start = func(_ *running, q *kvRequest, done func(*kvResponse, int)) {
			a := &kvResponse{Type: q.Type, RequestId: q.RequestId, Payload: &pb.BatchClientKeyValueResponse_Plain{Plain: &pb.PlainResponse{Body: []byte(tt.answer)}}}
			done(a, proto.Size(a))
		}
		s := &heldStream{ctx: metadata.NewIncomingContext(t.Context(), metadata.Pairs(pb.PackHeader, "1")), message: &pb.BatchClientKeyValueRequest{}, read: make(chan struct{})}
		for i := range tt.n {
			s.message.Pack = append(s.message.Pack, &kvRequest{RequestId: int32(i)})
		}
		if err := serveBatch(f.server, s, d); err != nil {
			t.Fatal(err)
		}
		answers := 0
		for _, m := range s.sent {
			answers += max(len(m.Pack), 1)
			if len(m.Pack) > pb.PackMost || len(m.Pack) > 1 && proto.Size(m) > pb.PackBytesMost+pb.PackMost*16 {
				t.Errorf("a pack of %d answers and %d bytes", len(m.Pack), proto.Size(m))
			}
		}
		if answers != tt.n || len(s.sent) > tt.most {
			t.Errorf("%d of %d answers in %d messages", answers, tt.n, len(s.sent))
		}
	}
}

// TestPackWithFaults (Invariant GRPC-1): what is wrong with one request of a pack
// does not matter to the others.
func TestPackWithFaults(t *testing.T) {
	raw, err := proto.Marshal(&pb.BatchClientKeyValueRequest{Pack: []*pb.BatchClientKeyValueRequest{setRequest(1, "k", "v"), setRequest(2, "bad\x01", "v"), {Type: 77, RequestId: 3},
		{Type: pb.KvBatchType_KV_BATCH_TYPE_SCRIPT, RequestId: 4}, {RequestId: 5, Pack: []*pb.BatchClientKeyValueRequest{setRequest(9, "no", "")}}}})
	if err != nil {
		t.Fatal(err)
	}
	raw = []byte(strings.Replace(string(raw), "bad\x01", "bad\xff", 1)) // a text that is not UTF-8
	var m pb.BatchClientKeyValueRequest
	if err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, &m); err != nil {
		t.Fatal(err)
	}
	f := serve(t, wire.Options{}, Options{})
	s := f.packed()
	s.send(&m)
	got, _ := s.answers(5)
	for id, kind := range map[int32]pb.KvType{1: pb.KvType_KV_TYPE_SET, 2: pb.KvType_KV_TYPE_INVALID_INPUT, 3: -1, 4: pb.KvType_KV_TYPE_INVALID_INPUT, 5: -1} {
		if got[id] == nil || kindOf(got[id]) != kind {
			t.Errorf("%d: %v, want %v", id, got[id], kind)
		}
	}
}

// TestScriptByHash: a script is run by its hash alone when the server has it, and
// asked for when not.
func TestScriptByHash(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.packed()
	source := "return 1 + 1"
	digest := sha256.Sum256([]byte(source))
	sum := digest[:]
	run := func(id int32, text string, sum []byte) *pb.TryExecuteTransactionScriptResponse {
		q := scriptRequest(id, text)
		q.GetTryExecuteTransactionScript().ScriptSha256 = sum
		s.send(q)
		got, _ := s.answers(1)
		return got[id].GetTryExecuteTransactionScript()
	}
	if a := run(1, "", sum); a.GetDetail().GetCode() != restwire.CodeNoScript || a.GetDetail().GetOutcome() != pb.Outcome_OUTCOME_NOT_APPLIED {
		t.Error(a)
	}
	if a := run(2, "return 3", sum); a.GetType() != pb.KvType_KV_TYPE_INVALID_INPUT {
		t.Error("the hash of another script:", a)
	}
	for i, text := range []string{source, "", ""} {
		if a := run(int32(3+i), text, sum); a.GetType() != pb.KvType_KV_TYPE_GET || string(a.Values[0].Value) != "2" {
			t.Error(a)
		}
	}
}

// TestCanceled: a script that nobody waits for any longer is stopped.
func TestCanceled(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.packed()
	s.send(scriptRequest(1, "begin (timeout=60000) while is_null(get go as of current_time()) do sleep 1 end end"))
	s.send(&pb.BatchClientKeyValueRequest{Canceled: []int32{7, 1}})
	got, _ := s.answers(1)
	if a := got[1].GetTryExecuteTransactionScript(); a.GetDetail().GetCode() != string(kahuna.CodeCanceled) {
		t.Error(got)
	}
	// So is one whose client has gone.
	ctx, leave := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), pb.PackHeader, "1"))
	gone, err := f.kv.BatchClientKeyValueRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Send(scriptRequest(1, "begin (timeout=60000) eset began 1 while is_null(get go as of current_time()) do sleep 1 end end")); err != nil {
		t.Fatal(err)
	}
	leave()
	if err := f.server.Shutdown(t.Context()); err != nil { // which waits for it
		t.Error(err)
	}
}

// TestPlain: a request of the plain REST face in a stream.
func TestPlain(t *testing.T) {
	plain := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
		w.Header().Set("Kahuna-Code", r.Header.Get("X-Code")+r.URL.RawQuery)
		w.Header().Set("X-Other", "1")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("body of " + r.Method))
	})
	f := serve(t, wire.Options{}, Options{Plain: plain})
	s := f.packed()
	ask := func(id int32, path string) *pb.PlainResponse {
		s.send(&pb.BatchClientKeyValueRequest{Type: pb.KvBatchType_KV_BATCH_TYPE_PLAIN, RequestId: id, Payload: &pb.BatchClientKeyValueRequest_Plain{
			Plain: &pb.PlainRequest{Method: "POST", Path: path, Headers: []*pb.PlainHeader{{Name: "x-code", Value: "c"}}, Body: []byte("x")}}})
		got, _ := s.answers(1)
		return got[id].GetPlain()
	}
	want := &pb.PlainResponse{Status: http.StatusTeapot, Headers: []*pb.PlainHeader{{Name: "Kahuna-Code", Value: "ca=b"}}, Body: []byte("body of POST")}
	if got := ask(1, "/x?a=b"); !proto.Equal(got, want) {
		t.Error(got)
	}
	for path, status := range map[string]int32{"": 400, "no path": 400, "http://a/b": 400, "/panic": 500} {
		if got := ask(2, path); got.GetStatus() != status {
			t.Errorf("%q: %v", path, got)
		}
	}
	old := f.stream()
	old.send(&pb.BatchClientKeyValueRequest{Type: pb.KvBatchType_KV_BATCH_TYPE_PLAIN, RequestId: 3, Payload: &pb.BatchClientKeyValueRequest_Plain{}})
	if a := old.recv(); a.Payload != nil {
		t.Error("a client without packs gets", a)
	}
}

// TestAnsweredTrailer (Invariant GRPC-2): at the end of a drained stream the client
// learns that what has no answer was not begun.
func TestAnsweredTrailer(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	s := f.packed()
	s.send(setRequest(1, "k", "v"))
	s.answers(1)
	f.server.Drain()
	if _, err := s.Recv(); status.Code(err) != codes.Unavailable || len(s.Trailer().Get(pb.AnsweredTrailer)) == 0 {
		t.Errorf("%v, trailer %v", err, s.Trailer())
	}
}

// FuzzPacks: of whatever comes as a message of a stream, every request gets one
// answer with its id, unless it is no protobuf.
func FuzzPacks(f *testing.F) {
	seed := func(m proto.Message) {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	seed(&pb.BatchClientKeyValueRequest{Pack: []*pb.BatchClientKeyValueRequest{setRequest(1, "k", "v"), scriptRequest(2, "return 1"), {Type: 77, RequestId: 3}}, Canceled: []int32{2, 5}})
	seed(&pb.BatchClientKeyValueRequest{Type: 100, RequestId: 4, Payload: &pb.BatchClientKeyValueRequest_Plain{Plain: &pb.PlainRequest{Method: "GET", Path: "/x"}}})
	seed(&pb.BatchClientKeyValueRequest{RequestId: 5, Pack: []*pb.BatchClientKeyValueRequest{{Pack: []*pb.BatchClientKeyValueRequest{setRequest(1, "k", "v")}}}})
	f.Add([]byte{0xaa, 6, 4, 0x08, 1, 0x10, 2, 0xaa, 6, 8, 0x08, 1, 0x1a, 4, 0x22, 2, 0xff, 0xff}) // the second has a key that is not UTF-8
	f.Add([]byte{0xaa, 6, 1, 0xff})
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 50e6, TimeoutMax: 50e6, Sleep: 1e6}})
	if err != nil {
		f.Fatal(err)
	}
	service := wire.New(db, wire.Options{Patience: 1e6, Transactions: 100})
	server := New(service, Options{Plain: http.NotFoundHandler()})
	f.Cleanup(func() {
		_ = server.Close()
		service.Close()
		_ = db.Close()
	})
	d, c := (&keyValuer{s: server}).dialect(), newCodec()
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pb.BatchClientKeyValueRequest
		if c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, &m) != nil {
			return
		}
		list, _ := d.unpack(&m)
		if len(list) > 100 {
			return
		}
		answers := make(chan *pb.BatchClientKeyValueResponse, 2*len(list))
		want := map[int32]int{}
		for i, q := range list {
			if start := q.GetStartTransaction(); start != nil {
				start.AdmissionWaitMs = 1
			}
			want[d.id(q)]++
			d.start(&running{ctx: t.Context(), in: &cancels{}, id: int32(i)}, q, func(a *pb.BatchClientKeyValueResponse, size int) {
				if size != proto.Size(a) {
					t.Errorf("the size of %v is %d", a, size)
				}
				answers <- a
			})
		}
		for range list {
			a := <-answers
			if _, err := c.Marshal(a); err != nil {
				t.Fatalf("%v cannot be sent: %v", a, err)
			}
			if want[a.RequestId]--; want[a.RequestId] < 0 {
				t.Fatalf("an answer too many: %v", a)
			}
		}
		if len(answers) > 0 {
			t.Fatalf("an answer too many: %v", <-answers)
		}
	})
}
