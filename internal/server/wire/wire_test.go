package wire

import (
	"context"
	"testing"
	"time"

	"kahuna"
	pb "kahuna/internal/wirepb"
)

const (
	persistent = pb.Durability_DURABILITY_PERSISTENT
	ephemeral  = pb.Durability_DURABILITY_EPHEMERAL

	tSet     = pb.KvType_KV_TYPE_SET
	tNotSet  = pb.KvType_KV_TYPE_NOT_SET
	tDeleted = pb.KvType_KV_TYPE_DELETED
	tLocked  = pb.KvType_KV_TYPE_LOCKED
	tAlready = pb.KvType_KV_TYPE_ALREADY_LOCKED
	tCommit  = pb.KvType_KV_TYPE_COMMITTED
	tRolled  = pb.KvType_KV_TYPE_ROLLED_BACK
)

// bench is a service of a store in memory.
type bench struct {
	*Service
	t   *testing.T
	ctx context.Context
}

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	return benchOf(t, o, &kahuna.Options{Limits: kahuna.Limits{Timeout: 2 * time.Minute}})
}

func benchOf(t *testing.T, o Options, ko *kahuna.Options) *bench {
	t.Helper()
	db, err := kahuna.OpenMemory(ko)
	if err != nil {
		t.Fatal(err)
	}
	s := New(db, o)
	t.Cleanup(func() {
		s.Close()
		s.Close() // twice is fine
		if n := s.open.Load(); n != 0 {
			t.Errorf("%d transactions are open after Close", n)
		}
		if len(s.locks.points)+len(s.locks.ranges) != 0 {
			t.Errorf("WIRE-2: locks are left: %v, %v", s.locks.points, s.locks.ranges)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bench{s, t, t.Context()}
}

func (b *bench) set(key, value string) *pb.TrySetKeyValueResponse {
	return b.Set(b.ctx, &pb.TrySetKeyValueRequest{Key: key, Value: []byte(value), Durability: persistent})
}

func (b *bench) get(key string) *pb.TryGetKeyValueResponse {
	return b.Get(b.ctx, &pb.TryGetKeyValueRequest{Key: key, Revision: -1, Durability: persistent})
}

func (b *bench) del(key string) *pb.TryDeleteKeyValueResponse {
	return b.Delete(b.ctx, &pb.TryDeleteKeyValueRequest{Key: key, Durability: persistent})
}

func (b *bench) script(source string, params ...string) *pb.TryExecuteTransactionScriptResponse {
	r := &pb.TryExecuteTransactionScriptRequest{Script: []byte(source)}
	for i := 0; i+1 < len(params); i += 2 {
		r.Parameters = append(r.Parameters, &pb.KeyValueParameter{Key: params[i], Value: &params[i+1]})
	}
	return b.Script(b.ctx, r)
}

// testTx is an interactive transaction as a client sees it.
type testTx struct {
	b  *bench
	id timestamp
	op uint64
}

const coordinator = "coordinator"

func (b *bench) begin(r *pb.StartTransactionRequest) *testTx {
	b.t.Helper()
	r.CoordinatorKey = coordinator
	if r.Timeout == 0 {
		r.Timeout = 60_000
	}
	a := b.Start(b.ctx, r)
	if a.Type != tSet || a.TransactionIdPhysical <= 0 {
		b.t.Fatal("start:", a)
	}
	return &testTx{b: b, id: timestamp{a.TransactionIdNode, a.TransactionIdPhysical, a.TransactionIdCounter}}
}

func (x *testTx) next() uint64 { x.op++; return x.op }

func (x *testTx) setRequest(key, value string, op uint64) *pb.TrySetKeyValueRequest {
	return &pb.TrySetKeyValueRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter,
		CoordinatorKey: coordinator, OperationIdLow: op, Key: key, Value: []byte(value), Durability: persistent}
}

func (x *testTx) set(key, value string) *pb.TrySetKeyValueResponse {
	return x.b.Set(x.b.ctx, x.setRequest(key, value, x.next()))
}

func (x *testTx) get(key string) *pb.TryGetKeyValueResponse {
	return x.b.Get(x.b.ctx, &pb.TryGetKeyValueRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter,
		CoordinatorKey: coordinator, OperationIdLow: x.next(), Key: key, Revision: -1, Durability: persistent})
}

func (x *testTx) del(key string) *pb.TryDeleteKeyValueResponse {
	return x.b.Delete(x.b.ctx, &pb.TryDeleteKeyValueRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter,
		CoordinatorKey: coordinator, OperationIdLow: x.next(), Key: key, Durability: persistent})
}

func (x *testTx) lockRequest(key string, ms int32, op uint64) *pb.TryAcquireExclusiveLockRequest {
	return &pb.TryAcquireExclusiveLockRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter,
		CoordinatorKey: coordinator, OperationIdLow: op, Key: key, ExpiresMs: ms, Durability: persistent}
}

func (x *testTx) lock(key string, ms int32) *pb.TryAcquireExclusiveLockResponse {
	return x.b.LockPoint(x.b.ctx, x.lockRequest(key, ms, x.next()))
}

func (x *testTx) lockPrefix(prefix string) *pb.TryAcquireExclusivePrefixLockResponse {
	return x.b.LockPrefix(x.b.ctx, &pb.TryAcquireExclusivePrefixLockRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical,
		TransactionIdCounter: x.id.counter, CoordinatorKey: coordinator, OperationIdLow: x.next(), PrefixKey: prefix, ExpiresMs: 60_000, Durability: persistent})
}

func (x *testTx) unlockPrefix(prefix string) *pb.TryReleaseExclusivePrefixLockResponse {
	return x.b.UnlockPrefix(x.b.ctx, &pb.TryReleaseExclusivePrefixLockRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical,
		TransactionIdCounter: x.id.counter, PrefixKey: prefix, Durability: persistent})
}

func (x *testTx) lockRange(prefix, from, to string, mode pb.RangeMode) *pb.TryAcquireExclusiveRangeLockResponse {
	return x.b.LockRange(x.b.ctx, &pb.TryAcquireExclusiveRangeLockRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical,
		TransactionIdCounter: x.id.counter, CoordinatorKey: coordinator, OperationIdLow: x.next(), Prefix: prefix, StartKey: &from, StartInclusive: true,
		EndKey: &to, EndInclusive: true, ExpiresMs: 60_000, Durability: persistent, Mode: mode})
}

func (x *testTx) unlockRange(prefix, from, to string) *pb.TryReleaseExclusiveRangeLockResponse {
	return x.b.UnlockRange(x.b.ctx, &pb.TryReleaseExclusiveRangeLockRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical,
		TransactionIdCounter: x.id.counter, Prefix: prefix, StartKey: &from, StartInclusive: true, EndKey: &to, EndInclusive: true, Durability: persistent})
}

func (x *testTx) bucket(prefix string) *pb.GetByBucketResponse {
	return x.b.Bucket(x.b.ctx, &pb.GetByBucketRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter,
		CoordinatorKey: coordinator, OperationIdLow: x.next(), PrefixKey: prefix, Durability: persistent})
}

func (x *testTx) commit() *pb.CommitTransactionResponse {
	return x.b.Commit(x.b.ctx, &pb.CommitTransactionRequest{CoordinatorKey: coordinator, TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical,
		TransactionIdCounter: x.id.counter})
}

func (x *testTx) rollback() *pb.RollbackTransactionResponse {
	return x.b.Rollback(x.b.ctx, &pb.RollbackTransactionRequest{CoordinatorKey: coordinator, TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical,
		TransactionIdCounter: x.id.counter})
}

// is checks the type of an answer.
func is(t *testing.T, what string, a interface{ GetType() pb.KvType }, want pb.KvType) {
	t.Helper()
	if a.GetType() != want {
		t.Errorf("%s: %v, want %v (%v)", what, a.GetType(), want, a)
	}
}
