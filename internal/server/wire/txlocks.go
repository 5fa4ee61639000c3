package wire

import (
	"context"
	"strings"
	"time"

	"kahuna/internal/wirepb"
)

// ends returns when a lease of ms milliseconds ends: 0 is with the transaction.
func (x *session) ends(ms int32) time.Time {
	if ms == 0 {
		return x.deadline.Add(grace)
	}
	return time.Now().Add(time.Duration(ms) * time.Millisecond)
}

// checkLock refuses requests for a lock that make no sense.
func checkLock(id timestamp, d wirepb.Durability, expiresMs int32) *failure {
	switch {
	case id.none():
		return errored("a lock needs a transaction")
	case expiresMs < 0:
		return errored("the expiry of a lock is negative")
	}
	if words := durabilityWords(d); words != "" {
		return invalid(words)
	}
	return nil
}

// locked is the answer to a request for a lock.
func locked(c *conflict) *failure {
	if c == nil {
		return &failure{kind: wirepb.KvType_KV_TYPE_LOCKED}
	}
	f := mustRetry(c.words())
	f.kind = wirepb.KvType_KV_TYPE_ALREADY_LOCKED
	return f
}

func holderOf(c *conflict) timestamp {
	if c == nil {
		return timestamp{}
	}
	return c.holder
}

// LockPoint locks a key for a transaction.
func (s *Service) LockPoint(_ context.Context, r *wirepb.TryAcquireExclusiveLockRequest) *wirepb.TryAcquireExclusiveLockResponse {
	fail := func(f *failure) *wirepb.TryAcquireExclusiveLockResponse {
		return &wirepb.TryAcquireExclusiveLockResponse{Type: f.kind, Detail: f.detail}
	}
	if f := checkLock(idOf(r), r.Durability, r.ExpiresMs); f != nil {
		return fail(f)
	}
	if words := keyWords(r.Key); words != "" {
		return fail(invalid(words))
	}
	return operate(s, nameOf(r), opPointLock, r, fail, func(x *session) *wirepb.TryAcquireExclusiveLockResponse {
		c := x.lockKey(point{r.Durability, r.Key}, x.ends(r.ExpiresMs), false)
		a, h := fail(locked(c)), holderOf(c)
		a.HolderTransactionIdNode, a.HolderTransactionIdPhysical, a.HolderTransactionIdCounter = h.node, h.physical, h.counter
		return a
	})
}

// bucketArea is what a prefix lock locks.
func bucketArea(d wirepb.Durability, prefix string) area {
	return area{space: d, prefix: true, bucket: strings.TrimSuffix(prefix, "/")}
}

// LockPrefix locks a bucket for a transaction.
func (s *Service) LockPrefix(_ context.Context, r *wirepb.TryAcquireExclusivePrefixLockRequest) *wirepb.TryAcquireExclusivePrefixLockResponse {
	fail := func(f *failure) *wirepb.TryAcquireExclusivePrefixLockResponse {
		return &wirepb.TryAcquireExclusivePrefixLockResponse{Type: f.kind, Detail: f.detail}
	}
	if f := checkLock(idOf(r), r.Durability, r.ExpiresMs); f != nil {
		return fail(f)
	}
	if r.PrefixKey == "" {
		return fail(invalid("the prefix is empty"))
	}
	return operate(s, nameOf(r), opPrefixLock, r, fail, func(x *session) *wirepb.TryAcquireExclusivePrefixLockResponse {
		c := x.lockArea(bucketArea(r.Durability, r.PrefixKey), false, x.ends(r.ExpiresMs))
		a, h := fail(locked(c)), holderOf(c)
		a.HolderTransactionIdNode, a.HolderTransactionIdPhysical, a.HolderTransactionIdCounter = h.node, h.physical, h.counter
		return a
	})
}

// LockRange locks a range for a transaction.
func (s *Service) LockRange(_ context.Context, r *wirepb.TryAcquireExclusiveRangeLockRequest) *wirepb.TryAcquireExclusiveRangeLockResponse {
	fail := func(f *failure) *wirepb.TryAcquireExclusiveRangeLockResponse {
		return &wirepb.TryAcquireExclusiveRangeLockResponse{Type: f.kind, Detail: f.detail}
	}
	if f := checkLock(idOf(r), r.Durability, r.ExpiresMs); f != nil {
		return fail(f)
	}
	switch {
	case r.Prefix == "":
		return fail(invalid("the prefix is empty"))
	case r.Mode != wirepb.RangeMode_RANGE_MODE_EXCLUSIVE && r.Mode != wirepb.RangeMode_RANGE_MODE_SHARED:
		return fail(invalid("the mode is 0 for exclusive or 1 for shared"))
	}
	return operate(s, nameOf(r), opRangeLock, r, fail, func(x *session) *wirepb.TryAcquireExclusiveRangeLockResponse {
		sp := spanOf(r.Prefix, r.StartKey, r.StartInclusive, r.EndKey, r.EndInclusive)
		var c *conflict
		if !sp.empty {
			c = x.lockArea(area{space: r.Durability, start: sp.start, end: sp.end}, r.Mode == wirepb.RangeMode_RANGE_MODE_SHARED, x.ends(r.ExpiresMs))
		}
		a, h := fail(locked(c)), holderOf(c)
		a.HolderTransactionIdNode, a.HolderTransactionIdPhysical, a.HolderTransactionIdCounter = h.node, h.physical, h.counter
		return a
	})
}

// lockArea takes the lock of a bucket or range.
func (x *session) lockArea(a area, shared bool, ends time.Time) *conflict {
	c := x.s.locks.lockArea(x.s.working, x.s.patience(x.policy), x, a, shared, ends)
	if c == nil && !x.isOpen() { // it ended meanwhile
		x.s.locks.release(x, nil)
	}
	return c
}

// UnlockPrefix gives up the lock of a bucket.
func (s *Service) UnlockPrefix(_ context.Context, r *wirepb.TryReleaseExclusivePrefixLockRequest) *wirepb.TryReleaseExclusivePrefixLockResponse {
	if f := checkLock(idOf(r), r.Durability, 0); f != nil {
		return &wirepb.TryReleaseExclusivePrefixLockResponse{Type: f.kind, Detail: f.detail}
	}
	s.unlock(idOf(r), bucketArea(r.Durability, r.PrefixKey))
	return &wirepb.TryReleaseExclusivePrefixLockResponse{Type: wirepb.KvType_KV_TYPE_UNLOCKED}
}

// UnlockRange gives up the lock of a range.
func (s *Service) UnlockRange(_ context.Context, r *wirepb.TryReleaseExclusiveRangeLockRequest) *wirepb.TryReleaseExclusiveRangeLockResponse {
	if f := checkLock(idOf(r), r.Durability, 0); f != nil {
		return &wirepb.TryReleaseExclusiveRangeLockResponse{Type: f.kind, Detail: f.detail}
	}
	sp := spanOf(r.Prefix, r.StartKey, r.StartInclusive, r.EndKey, r.EndInclusive)
	s.unlock(idOf(r), area{space: r.Durability, start: sp.start, end: sp.end})
	return &wirepb.TryReleaseExclusiveRangeLockResponse{Type: wirepb.KvType_KV_TYPE_UNLOCKED}
}

// unlock gives up a lock, if there is one.
func (s *Service) unlock(id timestamp, a area) {
	s.sessions.mu.Lock()
	x := s.sessions.all[id]
	s.sessions.mu.Unlock()
	if x != nil {
		s.locks.unlockArea(x, a)
	}
}
