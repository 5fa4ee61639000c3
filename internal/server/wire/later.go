package wire

import (
	"kahuna"
	"kahuna/internal/wirepb"
)

// later is the answer to calls that this version does not have.
func later(what string) *wirepb.Detail {
	return words2detail(kahuna.CodeState, what+" are not there yet: this version of the server does not have them", "", false)
}

// Lock answers a request for a lock.
func (s *Service) Lock(*wirepb.TryLockRequest) *wirepb.TryLockResponse {
	return &wirepb.TryLockResponse{Type: wirepb.LockType_LOCK_TYPE_ERRORED, Detail: later("locks")}
}

// ExtendLock answers a request to extend a lock.
func (s *Service) ExtendLock(*wirepb.ExtendLockRequest) *wirepb.ExtendLockResponse {
	return &wirepb.ExtendLockResponse{Type: wirepb.LockType_LOCK_TYPE_ERRORED, Detail: later("locks")}
}

// Unlock answers a request to release a lock.
func (s *Service) Unlock(*wirepb.UnlockRequest) *wirepb.UnlockResponse {
	return &wirepb.UnlockResponse{Type: wirepb.LockType_LOCK_TYPE_ERRORED, Detail: later("locks")}
}

// LockInfo answers the question who holds a lock.
func (s *Service) LockInfo(*wirepb.GetLockRequest) *wirepb.GetLockResponse {
	return &wirepb.GetLockResponse{Type: wirepb.LockType_LOCK_TYPE_ERRORED, Detail: later("locks")}
}

// Sequence answers create, get and delete.
func (s *Service) Sequence() *wirepb.SequenceResponse {
	return &wirepb.SequenceResponse{Type: wirepb.SeqType_SEQ_TYPE_ERROR, Detail: later("sequences")}
}

// Allocation answers next and reserve.
func (s *Service) Allocation() *wirepb.SequenceAllocationResponse {
	return &wirepb.SequenceAllocationResponse{Type: wirepb.SeqType_SEQ_TYPE_ERROR, Detail: later("sequences")}
}

// The texts that clients know.
const (
	statusDisabled = "KeyRangeDisabled"
	statusRefused  = "Refused"
	routingHash    = "Hash"
	rangesWords    = "this server has one partition, which is not split or merged yet"
)

// Membership tells of the cluster, which has this server as its only member.
func (s *Service) Membership() *wirepb.GetMembershipResponse {
	return &wirepb.GetMembershipResponse{MembershipVersion: 1, LocalRole: wirepb.MemberRole_MEMBER_ROLE_VOTER, Initialized: true,
		Members: []*wirepb.ClusterMember{{Endpoint: s.opts.Endpoint, NodeId: nodeID, Role: wirepb.MemberRole_MEMBER_ROLE_VOTER, JoinedVersion: 1}}}
}

// Leave refuses to leave: nobody would be left.
func (s *Service) Leave() *wirepb.ClusterLeaveResponse {
	return &wirepb.ClusterLeaveResponse{Outcome: wirepb.LeaveOutcome_LEAVE_OUTCOME_REFUSED_INSUFFICIENT_VOTERS, MembershipVersion: 1,
		Reason: "this server is the only one; stop the process to end it"}
}

// Placement tells of the one partition.
func (s *Service) Placement() *wirepb.GetPlacementResponse {
	return &wirepb.GetPlacementResponse{ReplicationFactor: 1, Initialized: true, LocalEndpoint: s.opts.Endpoint, HostedPartitionCount: 1,
		Partitions: []*wirepb.PartitionPlacement{{PartitionId: 1, State: "Active", Generation: 1, EffectiveReplicationFactor: 1, HostedLocally: true,
			Replicas: []*wirepb.PartitionReplica{{Endpoint: s.opts.Endpoint, Role: wirepb.ReplicaRole_REPLICA_ROLE_VOTER}}}}}
}

// SetReplicationFactor refuses another number of replicas.
func (s *Service) SetReplicationFactor(r *wirepb.SetReplicationFactorRequest) *wirepb.SetReplicationFactorResponse {
	switch {
	case r.PartitionId <= 0 || r.ReplicationFactor < 0:
		return &wirepb.SetReplicationFactorResponse{Status: "InvalidInput", Reason: "the partition is 1 or more, the factor 0 or more"}
	case r.PartitionId == 1 && r.ReplicationFactor <= 1:
		return &wirepb.SetReplicationFactorResponse{Success: true, Status: "Success", Generation: 1}
	}
	return &wirepb.SetReplicationFactorResponse{Status: statusRefused, Generation: 1, Reason: "there is one server, so there is one replica"}
}

// Ranges tells that no key space is routed by ranges.
func (s *Service) Ranges(r *wirepb.GetRangesRequest) *wirepb.GetRangesResponse {
	a := &wirepb.GetRangesResponse{Initialized: true, LocalEndpoint: s.opts.Endpoint}
	if r.KeySpace != "" {
		a.KeySpaces = []*wirepb.KeySpaceRanges{{KeySpace: r.KeySpace, RoutingMode: routingHash}}
	}
	return a
}

// RegisterRange refuses to route a key space by ranges.
func (s *Service) RegisterRange(r *wirepb.RegisterKeyRangeRequest) *wirepb.RegisterKeyRangeResponse {
	status, reason := rangeRefusal(r.KeySpace)
	return &wirepb.RegisterKeyRangeResponse{Status: status, RoutingMode: routingHash, Reason: reason}
}

// RemoveRange refuses to take that back.
func (s *Service) RemoveRange(r *wirepb.RemoveKeyRangeRequest) *wirepb.RemoveKeyRangeResponse {
	status, reason := rangeRefusal(r.KeySpace)
	return &wirepb.RemoveKeyRangeResponse{Status: status, RoutingMode: routingHash, Reason: reason}
}

// Split refuses to split a range.
func (s *Service) Split(r *wirepb.SplitRangeRequest) *wirepb.SplitRangeResponse {
	status, reason := rangeRefusal(r.KeySpace)
	return &wirepb.SplitRangeResponse{Status: status, Determinate: true, Reason: reason}
}

// Merge refuses to merge ranges.
func (s *Service) Merge() *wirepb.MergeRangesResponse {
	return &wirepb.MergeRangesResponse{Status: statusDisabled, Determinate: true, Reason: rangesWords}
}

func rangeRefusal(space string) (status, reason string) {
	if space == "" {
		return "InvalidInput", "the key space is missing"
	}
	return statusDisabled, rangesWords
}

// What backups answer: they are made with kahuna-cli.
const (
	BackupOutcome = "NotConfigured"
	BackupWords   = "backups over the network are not there yet; kahuna-cli backup makes them"
)
