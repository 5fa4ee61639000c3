package grpcapi

import (
	"context"
	"runtime/debug"
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

// answer answers one request of a stream of calls on keys.
func (k *keyValuer) answer(q *kvRequest) *kvResponse {
	op := kvOperations[q.Type]
	return perform(k.s, &op, q, func() *kvResponse { return &kvResponse{Type: q.Type, RequestId: q.RequestId} })
}

// answer answers one request of a stream of calls on locks.
func (l *locker) answer(q *lockRequest) *lockResponse {
	op := lockOperations[q.Type]
	return perform(l.s, &op, q, func() *lockResponse { return &lockResponse{Type: q.Type, RequestId: q.RequestId} })
}

// perform answers one request, whatever it is and whatever happens (Invariants
// GRPC-1 and GRPC-3). empty makes an answer without payload, which is all that a
// type gets that there is not.
func perform[Q, A any](s *Server, op *operation[Q, A], q *Q, empty func() *A) (a *A) {
	if op.run == nil {
		return empty()
	}
	start := time.Now()
	defer func() {
		if r := recover(); r != nil {
			s.opts.Logger.Error("a call failed", "call", op.name, "panic", r, "stack", string(debug.Stack()))
			a = empty()
			wire.Broken(op.refuse(a))
		}
		s.observed(op.name, start, resultOf(op.payload(a), nil))
	}()
	a = empty()
	if !op.run(s.opts.Context, s.service, q, a) {
		wire.Unreadable(op.refuse(a), "the request has no payload of its type, or one that cannot be read")
		return a
	}
	if proto.Size(any(a).(proto.Message)) > wire.ReplyBytes {
		full := op.payload(a)
		a = empty()
		wire.TooLarge(op.refuse(a), full)
	}
	return a
}
