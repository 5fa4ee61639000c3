package grpcapi

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fullstorydev/grpcurl"
	"github.com/jhump/protoreflect/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"kahuna"
	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// fixture is a served store.
type fixture struct {
	t       testing.TB
	db      *kahuna.DB
	service *wire.Service
	server  *Server
	conn    *grpc.ClientConn
	kv      pb.KeyValuerClient
	stop    context.CancelFunc // of the server's work
}

// serve serves a store in memory.
func serve(t testing.TB, wo wire.Options, o Options) *fixture {
	t.Helper()
	db, err := kahuna.OpenMemory(&kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, db: db, service: wire.New(db, wo)}
	o.Context, f.stop = context.WithCancel(context.Background())
	f.server = New(f.service, o)
	addr, err := f.server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve() }()
	f.conn, err = grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	f.kv = pb.NewKeyValuerClient(f.conn)
	t.Cleanup(func() {
		_ = f.conn.Close()
		f.stop()
		_ = f.server.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		f.service.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

const persistent = pb.Durability_DURABILITY_PERSISTENT

// batch is one stream of calls on keys.
type kvStream struct {
	grpc.BidiStreamingClient[pb.BatchClientKeyValueRequest, pb.BatchClientKeyValueResponse]
	t testing.TB
}

func (f *fixture) stream() kvStream {
	f.t.Helper()
	s, err := f.kv.BatchClientKeyValueRequests(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return kvStream{s, f.t}
}

func (s kvStream) send(q *pb.BatchClientKeyValueRequest) {
	s.t.Helper()
	if err := s.Send(q); err != nil {
		s.t.Fatal(err)
	}
}

func (s kvStream) recv() *pb.BatchClientKeyValueResponse {
	s.t.Helper()
	a, err := s.Recv()
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func setRequest(id int32, key, value string) *pb.BatchClientKeyValueRequest {
	return &pb.BatchClientKeyValueRequest{Type: pb.KvBatchType_KV_BATCH_TYPE_SET, RequestId: id, Payload: &pb.BatchClientKeyValueRequest_TrySetKeyValue{
		TrySetKeyValue: &pb.TrySetKeyValueRequest{Key: key, Value: []byte(value), Durability: persistent}}}
}

func scriptRequest(id int32, source string) *pb.BatchClientKeyValueRequest {
	return &pb.BatchClientKeyValueRequest{Type: pb.KvBatchType_KV_BATCH_TYPE_SCRIPT, RequestId: id, Payload: &pb.BatchClientKeyValueRequest_TryExecuteTransactionScript{
		TryExecuteTransactionScript: &pb.TryExecuteTransactionScriptRequest{Script: []byte(source)}}}
}

// TestThinSlice: a set, a get and a script, one by one and in a stream.
func TestThinSlice(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	set, err := f.kv.TrySetKeyValue(t.Context(), &pb.TrySetKeyValueRequest{Key: "greeting", Value: []byte("hello"), Durability: persistent})
	if err != nil || set.Type != pb.KvType_KV_TYPE_SET || set.Revision != 0 || set.LastModifiedPhysical == 0 {
		t.Fatal(set, err)
	}
	get, err := f.kv.TryGetKeyValue(t.Context(), &pb.TryGetKeyValueRequest{Key: "greeting", Revision: -1, Durability: persistent})
	if err != nil || get.Type != pb.KvType_KV_TYPE_GET || string(get.Value) != "hello" || get.Revision != 0 {
		t.Fatal(get, err)
	}
	value := "41"
	run, err := f.kv.TryExecuteTransactionScript(t.Context(), &pb.TryExecuteTransactionScriptRequest{Script: []byte("return to_int(@n) + 1"),
		Parameters: []*pb.KeyValueParameter{{Key: "@n", Value: &value}}})
	if err != nil || run.Type != pb.KvType_KV_TYPE_GET || len(run.Values) != 1 || string(run.Values[0].Value) != "42" || run.Values[0].Revision != -1 {
		t.Fatal(run, err)
	}
	s := f.stream()
	s.send(setRequest(7, "k", "v"))
	a := s.recv()
	if a.Type != pb.KvBatchType_KV_BATCH_TYPE_SET || a.RequestId != 7 || a.GetTrySetKeyValue().GetType() != pb.KvType_KV_TYPE_SET {
		t.Fatal(a)
	}
	s.send(scriptRequest(-8, "return get k"))
	if a = s.recv(); a.RequestId != -8 || string(a.GetTryExecuteTransactionScript().GetValues()[0].GetValue()) != "v" {
		t.Fatal(a)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
}

// TestReflection: grpcurl calls the server without knowing its protocol.
func TestReflection(t *testing.T) {
	f := serve(t, wire.Options{}, Options{})
	source := grpcurl.DescriptorSourceFromServer(t.Context(), grpcreflect.NewClientAuto(t.Context(), f.conn))
	services, err := grpcurl.ListServices(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"KeyValuer", "Locker", "Sequencer", "Cluster", "Backups", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} {
		if !strings.Contains(strings.Join(services, " ")+" ", name+" ") {
			t.Errorf("no service %s in %v", name, services)
		}
	}
	call := func(method, request string) string {
		t.Helper()
		var out bytes.Buffer
		parser, formatter, err := grpcurl.RequestParserAndFormatter(grpcurl.FormatJSON, source, strings.NewReader(request), grpcurl.FormatOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h := &grpcurl.DefaultEventHandler{Out: &out, Formatter: formatter}
		if err := grpcurl.InvokeRPC(t.Context(), source, f.conn, method, nil, h, parser.Next); err != nil || h.Status.Err() != nil {
			t.Fatal(err, h.Status)
		}
		return out.String()
	}
	if out := call("KeyValuer/TrySetKeyValue", `{"Key": "k", "Value": "dg==", "Durability": 1}`); !strings.Contains(out, "LastModifiedPhysical") {
		t.Error(out)
	}
	if out := call("KeyValuer/TryGetKeyValue", `{"Key": "k", "Revision": -1, "Durability": "DURABILITY_PERSISTENT"}`); !strings.Contains(out, `"Value": "dg=="`) {
		t.Error(out)
	}
	if out := call("KeyValuer/BatchClientKeyValueRequests", `{"Type": 7, "RequestId": 1, "TryExecuteTransactionScript": {"Script": "cmV0dXJuIDE="}}`); !strings.Contains(out, `"MQ=="`) {
		t.Error(out)
	}
}
