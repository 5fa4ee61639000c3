package grpcapi

import (
	"context"
	"runtime/debug"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// operation is one that can be in a batch of requests Q with answers A.
type operation[Q, A any] struct {
	name string
	// run answers the payload of a request, into the answer; it reports false
	// when there is none.
	run func(context.Context, *wire.Service, *Q, *A) bool
	// refuse puts an answer without content into the answer, and returns it.
	refuse func(*A) proto.Message
	// payload returns what is in the answer.
	payload func(*A) proto.Message
}

// operationOf makes an operation of what takes the payload P out of a request,
// runs it, and puts the answer R in place.
func operationOf[Q, A, P, R any](name string, get func(*Q) *P, call func(*wire.Service, context.Context, *P) *R, put func(*A, *R), of func(*A) *R) operation[Q, A] {
	message := func(r *R) proto.Message { return any(r).(proto.Message) }
	return operation[Q, A]{
		name: name,
		run: func(ctx context.Context, s *wire.Service, q *Q, a *A) bool {
			p := get(q)
			if p == nil {
				return false
			}
			put(a, call(s, ctx, p))
			return true
		},
		refuse:  func(a *A) proto.Message { r := new(R); put(a, r); return message(r) },
		payload: func(a *A) proto.Message { return message(of(a)) },
	}
}

type (
	kvRequest  = pb.BatchClientKeyValueRequest
	kvResponse = pb.BatchClientKeyValueResponse
)

// kvOperations are those of a stream of calls on keys, by their type, which has
// nothing to do with the number of the payload's field.
var kvOperations = map[pb.KvBatchType]operation[kvRequest, kvResponse]{
	pb.KvBatchType_KV_BATCH_TYPE_SET: operationOf("TrySetKeyValue", (*kvRequest).GetTrySetKeyValue, (*wire.Service).Set,
		func(a *kvResponse, r *pb.TrySetKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TrySetKeyValue{TrySetKeyValue: r}
		}, (*kvResponse).GetTrySetKeyValue),
	pb.KvBatchType_KV_BATCH_TYPE_SET_MANY: operationOf("TrySetManyKeyValue", (*kvRequest).GetTrySetManyKeyValue, (*wire.Service).SetMany,
		func(a *kvResponse, r *pb.TrySetManyKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TrySetManyKeyValue{TrySetManyKeyValue: r}
		}, (*kvResponse).GetTrySetManyKeyValue),
	pb.KvBatchType_KV_BATCH_TYPE_EXTEND: operationOf("TryExtendKeyValue", (*kvRequest).GetTryExtendKeyValue, (*wire.Service).Extend,
		func(a *kvResponse, r *pb.TryExtendKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryExtendKeyValue{TryExtendKeyValue: r}
		}, (*kvResponse).GetTryExtendKeyValue),
	pb.KvBatchType_KV_BATCH_TYPE_DELETE: operationOf("TryDeleteKeyValue", (*kvRequest).GetTryDeleteKeyValue, (*wire.Service).Delete,
		func(a *kvResponse, r *pb.TryDeleteKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryDeleteKeyValue{TryDeleteKeyValue: r}
		}, (*kvResponse).GetTryDeleteKeyValue),
	pb.KvBatchType_KV_BATCH_TYPE_GET: operationOf("TryGetKeyValue", (*kvRequest).GetTryGetKeyValue, (*wire.Service).Get,
		func(a *kvResponse, r *pb.TryGetKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryGetKeyValue{TryGetKeyValue: r}
		}, (*kvResponse).GetTryGetKeyValue),
	pb.KvBatchType_KV_BATCH_TYPE_EXISTS: operationOf("TryExistsKeyValue", (*kvRequest).GetTryExistsKeyValue, (*wire.Service).Exists,
		func(a *kvResponse, r *pb.TryExistsKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryExistsKeyValue{TryExistsKeyValue: r}
		}, (*kvResponse).GetTryExistsKeyValue),
	pb.KvBatchType_KV_BATCH_TYPE_SCRIPT: operationOf("TryExecuteTransactionScript", (*kvRequest).GetTryExecuteTransactionScript, (*wire.Service).Script,
		func(a *kvResponse, r *pb.TryExecuteTransactionScriptResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryExecuteTransactionScript{TryExecuteTransactionScript: r}
		}, (*kvResponse).GetTryExecuteTransactionScript),
	pb.KvBatchType_KV_BATCH_TYPE_ACQUIRE_LOCK: operationOf("TryAcquireExclusiveLock", (*kvRequest).GetTryAcquireExclusiveLock, (*wire.Service).LockPoint,
		func(a *kvResponse, r *pb.TryAcquireExclusiveLockResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryAcquireExclusiveLock{TryAcquireExclusiveLock: r}
		}, (*kvResponse).GetTryAcquireExclusiveLock),
	pb.KvBatchType_KV_BATCH_TYPE_GET_BY_BUCKET: operationOf("GetByBucket", (*kvRequest).GetGetByBucket, (*wire.Service).Bucket,
		func(a *kvResponse, r *pb.GetByBucketResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_GetByBucket{GetByBucket: r}
		}, (*kvResponse).GetGetByBucket),
	pb.KvBatchType_KV_BATCH_TYPE_SCAN_BY_PREFIX: operationOf("ScanByPrefix", (*kvRequest).GetScanByPrefix, (*wire.Service).Scan,
		func(a *kvResponse, r *pb.ScanAllByPrefixResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_ScanByPrefix{ScanByPrefix: r}
		}, (*kvResponse).GetScanByPrefix),
	pb.KvBatchType_KV_BATCH_TYPE_START: operationOf("StartTransaction", (*kvRequest).GetStartTransaction, (*wire.Service).Start,
		func(a *kvResponse, r *pb.StartTransactionResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_StartTransaction{StartTransaction: r}
		}, (*kvResponse).GetStartTransaction),
	pb.KvBatchType_KV_BATCH_TYPE_COMMIT: operationOf("CommitTransaction", (*kvRequest).GetCommitTransaction, (*wire.Service).Commit,
		func(a *kvResponse, r *pb.CommitTransactionResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_CommitTransaction{CommitTransaction: r}
		}, (*kvResponse).GetCommitTransaction),
	pb.KvBatchType_KV_BATCH_TYPE_ROLLBACK: operationOf("RollbackTransaction", (*kvRequest).GetRollbackTransaction, (*wire.Service).Rollback,
		func(a *kvResponse, r *pb.RollbackTransactionResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_RollbackTransaction{RollbackTransaction: r}
		}, (*kvResponse).GetRollbackTransaction),
	pb.KvBatchType_KV_BATCH_TYPE_DELETE_MANY: operationOf("TryDeleteManyKeyValue", (*kvRequest).GetTryDeleteManyKeyValue, (*wire.Service).DeleteMany,
		func(a *kvResponse, r *pb.TryDeleteManyKeyValueResponse) {
			a.Payload = &pb.BatchClientKeyValueResponse_TryDeleteManyKeyValue{TryDeleteManyKeyValue: r}
		}, (*kvResponse).GetTryDeleteManyKeyValue),
}

type (
	lockRequest  = pb.BatchClientLockRequest
	lockResponse = pb.BatchClientLockResponse
)

// lockOperations are those of a stream of calls on locks.
var lockOperations = map[pb.LockBatchType]operation[lockRequest, lockResponse]{
	pb.LockBatchType_LOCK_BATCH_TYPE_ACQUIRE: operationOf("TryLock", (*lockRequest).GetTryLock,
		func(s *wire.Service, _ context.Context, r *pb.TryLockRequest) *pb.TryLockResponse { return s.Lock(r) },
		func(a *lockResponse, r *pb.TryLockResponse) {
			a.Payload = &pb.BatchClientLockResponse_TryLock{TryLock: r}
		}, (*lockResponse).GetTryLock),
	pb.LockBatchType_LOCK_BATCH_TYPE_EXTEND: operationOf("TryExtendLock", (*lockRequest).GetExtendLock,
		func(s *wire.Service, _ context.Context, r *pb.ExtendLockRequest) *pb.ExtendLockResponse {
			return s.ExtendLock(r)
		},
		func(a *lockResponse, r *pb.ExtendLockResponse) {
			a.Payload = &pb.BatchClientLockResponse_ExtendLock{ExtendLock: r}
		}, (*lockResponse).GetExtendLock),
	pb.LockBatchType_LOCK_BATCH_TYPE_RELEASE: operationOf("Unlock", (*lockRequest).GetUnlock,
		func(s *wire.Service, _ context.Context, r *pb.UnlockRequest) *pb.UnlockResponse { return s.Unlock(r) },
		func(a *lockResponse, r *pb.UnlockResponse) { a.Payload = &pb.BatchClientLockResponse_Unlock{Unlock: r} }, (*lockResponse).GetUnlock),
	pb.LockBatchType_LOCK_BATCH_TYPE_INFO: operationOf("GetLock", (*lockRequest).GetGetLock,
		func(s *wire.Service, _ context.Context, r *pb.GetLockRequest) *pb.GetLockResponse {
			return s.LockInfo(r)
		},
		func(a *lockResponse, r *pb.GetLockResponse) {
			a.Payload = &pb.BatchClientLockResponse_GetLock{GetLock: r}
		}, (*lockResponse).GetGetLock),
}

// dialect are streams of calls on keys.
func (k *keyValuer) dialect() *dialect[kvRequest, kvResponse] {
	return &dialect[kvRequest, kvResponse]{
		start:  k.start,
		id:     (*kvRequest).GetRequestId,
		unpack: unpack,
		pack:   func(list []*kvResponse) *kvResponse { return &kvResponse{Pack: list} },
	}
}

// unpack returns the requests of a message, and the ids of those canceled.
func unpack(m *kvRequest) ([]*kvRequest, []int32) {
	list := m.Pack
	if m.Type != 0 || m.RequestId != 0 || m.Payload != nil || len(list) == 0 && len(m.Canceled) == 0 {
		list = append(list, m)
	}
	return list, m.Canceled
}

// start answers one request of a stream of calls on keys.
func (k *keyValuer) start(r *running, q *kvRequest, done func(*kvResponse, int)) {
	ctx, packs := r.context(), r.in != nil
	switch p := q.Payload.(type) {
	case *pb.BatchClientKeyValueRequest_TryExecuteTransactionScript:
		if q.Type == pb.KvBatchType_KV_BATCH_TYPE_SCRIPT && k.startScript(ctx, packs, q, p.TryExecuteTransactionScript, done) {
			return
		}
	case *pb.BatchClientKeyValueRequest_TryGetKeyValue:
		if q.Type == pb.KvBatchType_KV_BATCH_TYPE_GET && k.startGet(ctx, packs, q, p.TryGetKeyValue, done) {
			return
		}
	case *pb.BatchClientKeyValueRequest_Plain:
		if q.Type == pb.KvBatchType_KV_BATCH_TYPE_PLAIN && packs && k.s.opts.Plain != nil {
			go func() {
				a := &kvResponse{Type: q.Type, RequestId: q.RequestId, Payload: &pb.BatchClientKeyValueResponse_Plain{Plain: k.s.plain(ctx, p.Plain)}}
				done(a, proto.Size(a))
			}()
			return
		}
	}
	go func() { done(k.answer(ctx, packs, q)) }()
}

// startScript starts a script that does not have to wait.
func (k *keyValuer) startScript(ctx context.Context, packs bool, q *kvRequest, p *pb.TryExecuteTransactionScriptRequest, done func(*kvResponse, int)) bool {
	op := kvOperations[q.Type]
	c := begin(k.s, &op, packs, func() *kvResponse { return &kvResponse{Type: q.Type, RequestId: q.RequestId} }, done)
	return c.guard(func() bool {
		return k.service().StartScript(ctx, p, func(res *pb.TryExecuteTransactionScriptResponse) {
			c.answer(&kvResponse{Type: q.Type, RequestId: q.RequestId, Payload: &pb.BatchClientKeyValueResponse_TryExecuteTransactionScript{TryExecuteTransactionScript: res}})
		})
	})
}

// startGet starts to read a key.
func (k *keyValuer) startGet(ctx context.Context, packs bool, q *kvRequest, p *pb.TryGetKeyValueRequest, done func(*kvResponse, int)) bool {
	op := kvOperations[q.Type]
	c := begin(k.s, &op, packs, func() *kvResponse { return &kvResponse{Type: q.Type, RequestId: q.RequestId} }, done)
	return c.guard(func() bool {
		return k.service().StartGet(ctx, p, func(res *pb.TryGetKeyValueResponse) {
			c.answer(&kvResponse{Type: q.Type, RequestId: q.RequestId, Payload: &pb.BatchClientKeyValueResponse_TryGetKeyValue{TryGetKeyValue: res}})
		})
	})
}

// answer answers one request of a stream of calls on keys, when that may wait.
func (k *keyValuer) answer(ctx context.Context, packs bool, q *kvRequest) (*kvResponse, int) {
	op := kvOperations[q.Type]
	return perform(ctx, k.s, &op, packs, q, func() *kvResponse { return &kvResponse{Type: q.Type, RequestId: q.RequestId} })
}

// dialect are streams of calls on locks.
func (l *locker) dialect() *dialect[lockRequest, lockResponse] {
	return &dialect[lockRequest, lockResponse]{
		start: func(r *running, q *lockRequest, done func(*lockResponse, int)) {
			go func() { done(l.answer(r.context(), q)) }()
		},
		id: (*lockRequest).GetRequestId,
	}
}

// answer answers one request of a stream of calls on locks.
func (l *locker) answer(ctx context.Context, q *lockRequest) (*lockResponse, int) {
	op := lockOperations[q.Type]
	return perform(ctx, l.s, &op, false, q, func() *lockResponse { return &lockResponse{Type: q.Type, RequestId: q.RequestId} })
}

// perform answers one request, whatever it is and whatever happens (Invariants
// GRPC-1 and GRPC-3). empty makes an answer without payload, which is all that a
// type gets that there is not.
func perform[Q, A any](ctx context.Context, s *Server, op *operation[Q, A], packs bool, q *Q, empty func() *A) (a *A, size int) {
	if op.run == nil {
		a = empty()
		return a, proto.Size(any(a).(proto.Message))
	}
	c := begin(s, op, packs, empty, func(answer *A, n int) { a, size = answer, n })
	c.guard(func() bool {
		answer := empty()
		if !op.run(ctx, s.service, q, answer) {
			wire.Unreadable(op.refuse(answer), "the request has no payload of its type, or one that cannot be read")
		}
		c.answer(answer)
		return true
	})
	return a, size
}

// answering is one request on its way to one answer.
type answering[Q, A any] struct {
	s     *Server
	op    *operation[Q, A]
	most  int // bytes of the answer
	start time.Time
	empty func() *A
	done  func(*A, int)
	given atomic.Bool
}

func begin[Q, A any](s *Server, op *operation[Q, A], packs bool, empty func() *A, done func(*A, int)) *answering[Q, A] {
	c := &answering[Q, A]{s: s, op: op, most: wire.ReplyBytes, start: time.Now(), empty: empty, done: done}
	if packs {
		c.most = packedReplyBytes
	}
	return c
}

// packedReplyBytes bounds an answer to a client that reads packs. It is more than
// the limits of the store allow.
const packedReplyBytes = 512 << 20

// guard calls start, and answers when it panics.
func (c *answering[Q, A]) guard(start func() bool) (started bool) {
	defer func() {
		if r := recover(); r != nil {
			c.s.opts.Logger.Error("a call failed", "call", c.op.name, "panic", r, "stack", string(debug.Stack()))
			a := c.empty()
			wire.Broken(c.op.refuse(a))
			c.answer(a)
			started = true
		}
	}()
	return start()
}

// answer gives the answer, unless one was given.
func (c *answering[Q, A]) answer(a *A) {
	if !c.given.CompareAndSwap(false, true) {
		return
	}
	size := proto.Size(any(a).(proto.Message))
	if size > c.most {
		full := c.op.payload(a)
		a = c.empty()
		wire.TooLarge(c.op.refuse(a), full)
		size = proto.Size(any(a).(proto.Message))
	}
	c.s.observed(c.op.name, c.start, resultOf(c.op.payload(a), nil))
	c.done(a, size)
}
