package grpcapi

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// locker is the service of locks.
type locker struct {
	pb.UnimplementedLockerServer
	s *Server
}

func (l *locker) TryLock(_ context.Context, r *pb.TryLockRequest) (*pb.TryLockResponse, error) {
	return l.s.service.Lock(r), nil
}

func (l *locker) TryExtendLock(_ context.Context, r *pb.ExtendLockRequest) (*pb.ExtendLockResponse, error) {
	return l.s.service.ExtendLock(r), nil
}

func (l *locker) Unlock(_ context.Context, r *pb.UnlockRequest) (*pb.UnlockResponse, error) {
	return l.s.service.Unlock(r), nil
}

func (l *locker) GetLock(_ context.Context, r *pb.GetLockRequest) (*pb.GetLockResponse, error) {
	return l.s.service.LockInfo(r), nil
}

// BatchClientLockRequests implements pb.LockerServer.
func (l *locker) BatchClientLockRequests(stream grpc.BidiStreamingServer[pb.BatchClientLockRequest, pb.BatchClientLockResponse]) error {
	return serveBatch(l.s, stream, l.dialect())
}

// sequencer is the service of sequences.
type sequencer struct {
	pb.UnimplementedSequencerServer
	s *Server
}

func (q *sequencer) CreateSequence(context.Context, *pb.CreateSequenceRequest) (*pb.SequenceResponse, error) {
	return q.s.service.Sequence(), nil
}

func (q *sequencer) GetSequence(context.Context, *pb.GetSequenceRequest) (*pb.SequenceResponse, error) {
	return q.s.service.Sequence(), nil
}

func (q *sequencer) NextSequenceValue(context.Context, *pb.NextSequenceRequest) (*pb.SequenceAllocationResponse, error) {
	return q.s.service.Allocation(), nil
}

func (q *sequencer) ReserveSequenceRange(context.Context, *pb.ReserveSequenceRangeRequest) (*pb.SequenceAllocationResponse, error) {
	return q.s.service.Allocation(), nil
}

func (q *sequencer) DeleteSequence(context.Context, *pb.DeleteSequenceRequest) (*pb.SequenceResponse, error) {
	return q.s.service.Sequence(), nil
}

// cluster is the service of the cluster and its ranges.
type cluster struct {
	pb.UnimplementedClusterServer
	s *Server
}

func (c *cluster) GetMembership(context.Context, *pb.GetMembershipRequest) (*pb.GetMembershipResponse, error) {
	return c.s.service.Membership(), nil
}

func (c *cluster) Leave(context.Context, *pb.ClusterLeaveRequest) (*pb.ClusterLeaveResponse, error) {
	return c.s.service.Leave(), nil
}

func (c *cluster) GetPlacement(context.Context, *pb.GetPlacementRequest) (*pb.GetPlacementResponse, error) {
	return c.s.service.Placement(), nil
}

func (c *cluster) SetReplicationFactor(_ context.Context, r *pb.SetReplicationFactorRequest) (*pb.SetReplicationFactorResponse, error) {
	return c.s.service.SetReplicationFactor(r), nil
}

func (c *cluster) GetRanges(_ context.Context, r *pb.GetRangesRequest) (*pb.GetRangesResponse, error) {
	return c.s.service.Ranges(r), nil
}

func (c *cluster) SplitRange(_ context.Context, r *pb.SplitRangeRequest) (*pb.SplitRangeResponse, error) {
	return c.s.service.Split(r), nil
}

func (c *cluster) MergeRanges(context.Context, *pb.MergeRangesRequest) (*pb.MergeRangesResponse, error) {
	return c.s.service.Merge(), nil
}

// backups is the service of backups, which says that there are none.
type backups struct{ pb.UnimplementedBackupsServer }

// none is the status of all its calls, with the outcome as clients read it.
func none(ctx context.Context) error {
	_ = grpc.SetTrailer(ctx, metadata.Pairs("kahuna-backup-outcome", wire.BackupOutcome))
	return status.Error(codes.Unavailable, wire.BackupWords)
}

func (b *backups) TakeFullBackup(ctx context.Context, _ *pb.TakeFullBackupRequest) (*pb.BackupInfoResponse, error) {
	return nil, none(ctx)
}

func (b *backups) TakeIncrementalBackup(ctx context.Context, _ *pb.TakeIncrementalBackupRequest) (*pb.BackupInfoResponse, error) {
	return nil, none(ctx)
}

func (b *backups) TakeCoordinatedBackup(ctx context.Context, _ *pb.TakeCoordinatedBackupRequest) (*pb.BackupInfoResponse, error) {
	return nil, none(ctx)
}

func (b *backups) ListBackups(ctx context.Context, _ *pb.ListBackupsRequest) (*pb.ListBackupsResponse, error) {
	return nil, none(ctx)
}

func (b *backups) GetBackupChain(ctx context.Context, _ *pb.GetBackupChainRequest) (*pb.ListBackupsResponse, error) {
	return nil, none(ctx)
}

func (b *backups) ValidateChain(ctx context.Context, _ *pb.ValidateChainRequest) (*pb.ListBackupsResponse, error) {
	return nil, none(ctx)
}

func (b *backups) Restore(ctx context.Context, r *pb.RestoreRequest) (*pb.RestoreResponse, error) {
	if strings.TrimSpace(r.TargetDir) == "" {
		return nil, status.Error(codes.InvalidArgument, "the target directory is missing")
	}
	return nil, none(ctx)
}

func (b *backups) RunBackupGarbageCollection(ctx context.Context, _ *pb.BackupGcRequest) (*pb.BackupGcResponse, error) {
	return nil, none(ctx)
}
