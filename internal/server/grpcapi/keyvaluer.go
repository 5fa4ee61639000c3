package grpcapi

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// keyValuer is the service of keys, scripts and transactions. Calls run with the
// context of the server: what has begun ends one way or the other, also when its
// caller goes away.
type keyValuer struct {
	pb.UnimplementedKeyValuerServer
	s *Server
}

func (k *keyValuer) ctx() context.Context   { return k.s.opts.Context }
func (k *keyValuer) service() *wire.Service { return k.s.service }

func (k *keyValuer) TrySetKeyValue(_ context.Context, r *pb.TrySetKeyValueRequest) (*pb.TrySetKeyValueResponse, error) {
	return k.service().Set(k.ctx(), r), nil
}

func (k *keyValuer) TrySetManyKeyValue(_ context.Context, r *pb.TrySetManyKeyValueRequest) (*pb.TrySetManyKeyValueResponse, error) {
	return k.service().SetMany(k.ctx(), r), nil
}

func (k *keyValuer) TryGetKeyValue(_ context.Context, r *pb.TryGetKeyValueRequest) (*pb.TryGetKeyValueResponse, error) {
	return k.service().Get(k.ctx(), r), nil
}

func (k *keyValuer) TryExistsKeyValue(_ context.Context, r *pb.TryExistsKeyValueRequest) (*pb.TryExistsKeyValueResponse, error) {
	return k.service().Exists(k.ctx(), r), nil
}

func (k *keyValuer) TryDeleteKeyValue(_ context.Context, r *pb.TryDeleteKeyValueRequest) (*pb.TryDeleteKeyValueResponse, error) {
	return k.service().Delete(k.ctx(), r), nil
}

func (k *keyValuer) TryDeleteManyKeyValue(_ context.Context, r *pb.TryDeleteManyKeyValueRequest) (*pb.TryDeleteManyKeyValueResponse, error) {
	return k.service().DeleteMany(k.ctx(), r), nil
}

func (k *keyValuer) TryExtendKeyValue(_ context.Context, r *pb.TryExtendKeyValueRequest) (*pb.TryExtendKeyValueResponse, error) {
	return k.service().Extend(k.ctx(), r), nil
}

func (k *keyValuer) TryGetManyValues(_ context.Context, r *pb.TryGetManyValuesRequest) (*pb.TryGetManyValuesResponse, error) {
	return k.service().GetMany(k.ctx(), r), nil
}

func (k *keyValuer) TryExistsManyValues(_ context.Context, r *pb.TryExistsManyValuesRequest) (*pb.TryExistsManyValuesResponse, error) {
	return k.service().ExistsMany(k.ctx(), r), nil
}

func (k *keyValuer) GetByBucket(_ context.Context, r *pb.GetByBucketRequest) (*pb.GetByBucketResponse, error) {
	return k.service().Bucket(k.ctx(), r), nil
}

func (k *keyValuer) ScanAllByPrefix(_ context.Context, r *pb.ScanAllByPrefixRequest) (*pb.ScanAllByPrefixResponse, error) {
	return k.service().Scan(k.ctx(), r), nil
}

func (k *keyValuer) GetByRange(_ context.Context, r *pb.GetByRangeRequest) (*pb.GetByRangeResponse, error) {
	return k.service().Range(k.ctx(), r), nil
}

func (k *keyValuer) GetByRangeStream(r *pb.GetByRangeRequest, stream grpc.ServerStreamingServer[pb.GetByRangePageResponse]) error {
	return streamStatus(k.service().Stream(stream.Context(), r, func(p *pb.GetByRangePageResponse) error {
		select {
		case <-k.s.draining:
			return status.Error(codes.Unavailable, "the server is ending")
		default:
		}
		if proto.Size(p) > wire.ReplyBytes {
			return status.Error(codes.FailedPrecondition, "a row is too large to be sent: it has more than 4 MiB")
		}
		return stream.Send(p)
	}))
}

func (k *keyValuer) TryExecuteTransactionScript(_ context.Context, r *pb.TryExecuteTransactionScriptRequest) (*pb.TryExecuteTransactionScriptResponse, error) {
	return k.service().Script(k.ctx(), r), nil
}

func (k *keyValuer) StartTransaction(_ context.Context, r *pb.StartTransactionRequest) (*pb.StartTransactionResponse, error) {
	return k.service().Start(k.ctx(), r), nil
}

func (k *keyValuer) CommitTransaction(_ context.Context, r *pb.CommitTransactionRequest) (*pb.CommitTransactionResponse, error) {
	return k.service().Commit(k.ctx(), r), nil
}

func (k *keyValuer) RollbackTransaction(_ context.Context, r *pb.RollbackTransactionRequest) (*pb.RollbackTransactionResponse, error) {
	return k.service().Rollback(k.ctx(), r), nil
}

func (k *keyValuer) TryAcquireExclusiveLock(_ context.Context, r *pb.TryAcquireExclusiveLockRequest) (*pb.TryAcquireExclusiveLockResponse, error) {
	return k.service().LockPoint(k.ctx(), r), nil
}

func (k *keyValuer) TryAcquireExclusivePrefixLock(_ context.Context, r *pb.TryAcquireExclusivePrefixLockRequest) (*pb.TryAcquireExclusivePrefixLockResponse, error) {
	return k.service().LockPrefix(k.ctx(), r), nil
}

func (k *keyValuer) TryReleaseExclusivePrefixLock(_ context.Context, r *pb.TryReleaseExclusivePrefixLockRequest) (*pb.TryReleaseExclusivePrefixLockResponse, error) {
	return k.service().UnlockPrefix(k.ctx(), r), nil
}

func (k *keyValuer) TryAcquireExclusiveRangeLock(_ context.Context, r *pb.TryAcquireExclusiveRangeLockRequest) (*pb.TryAcquireExclusiveRangeLockResponse, error) {
	return k.service().LockRange(k.ctx(), r), nil
}

func (k *keyValuer) TryReleaseExclusiveRangeLock(_ context.Context, r *pb.TryReleaseExclusiveRangeLockRequest) (*pb.TryReleaseExclusiveRangeLockResponse, error) {
	return k.service().UnlockRange(k.ctx(), r), nil
}

func (k *keyValuer) AcquireSnapshotHold(_ context.Context, r *pb.AcquireSnapshotHoldRequest) (*pb.AcquireSnapshotHoldResponse, error) {
	return k.service().AcquireHold(k.ctx(), r), nil
}

func (k *keyValuer) RenewSnapshotHold(_ context.Context, r *pb.RenewSnapshotHoldRequest) (*pb.RenewSnapshotHoldResponse, error) {
	return k.service().RenewHold(k.ctx(), r), nil
}

func (k *keyValuer) ReleaseSnapshotHold(_ context.Context, r *pb.ReleaseSnapshotHoldRequest) (*pb.ReleaseSnapshotHoldResponse, error) {
	return k.service().ReleaseHold(k.ctx(), r), nil
}

func (k *keyValuer) GetSnapshotFloor(_ context.Context, r *pb.GetSnapshotFloorRequest) (*pb.GetSnapshotFloorResponse, error) {
	return k.service().Floor(k.ctx(), r), nil
}

func (k *keyValuer) RegisterKeyRange(_ context.Context, r *pb.RegisterKeyRangeRequest) (*pb.RegisterKeyRangeResponse, error) {
	return k.service().RegisterRange(r), nil
}

func (k *keyValuer) RemoveKeyRange(_ context.Context, r *pb.RemoveKeyRangeRequest) (*pb.RemoveKeyRangeResponse, error) {
	return k.service().RemoveRange(r), nil
}

// BatchClientKeyValueRequests implements pb.KeyValuerServer.
func (k *keyValuer) BatchClientKeyValueRequests(stream grpc.BidiStreamingServer[pb.BatchClientKeyValueRequest, pb.BatchClientKeyValueResponse]) error {
	return serveBatch(k.s, stream, k.dialect())
}
