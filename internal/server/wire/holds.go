package wire

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"kahuna"
	"kahuna/internal/wirepb"
)

// holds are the snapshot holds. While a hold lives, the store keeps the history
// from its timestamp on, as far as kahuna.DB.HoldHistory does.
type holds struct {
	mu    sync.Mutex
	byID  map[string]*hold
	byKey map[holdKey]*hold
	keep  func(since time.Time) // tells the store
	timer *time.Timer           // for the end of the first lease, or nil
}

// holdKey is what makes a hold the same as an earlier one.
type holdKey struct {
	holder string
	at     timestamp
}

type hold struct {
	id   string
	key  holdKey
	ends time.Time
}

func (hs *holds) init(keep func(since time.Time)) {
	hs.byID, hs.byKey, hs.keep = map[string]*hold{}, map[holdKey]*hold{}, keep
}

func (hs *holds) close() {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	clear(hs.byID)
	clear(hs.byKey)
	hs.changed()
}

// changed tells the store from when on the history is held, and comes again when
// the first lease ends. Held: mu.
func (hs *holds) changed() {
	if hs.timer != nil {
		hs.timer.Stop()
		hs.timer = nil
	}
	least, any := hs.floor()
	if !any {
		hs.keep(time.Time{})
		return
	}
	hs.keep(time.UnixMilli(min(max(least.physical, 0), ever.UnixMilli())))
	var ends time.Time
	for _, h := range hs.byID {
		if ends.IsZero() || h.ends.Before(ends) {
			ends = h.ends
		}
	}
	hs.timer = time.AfterFunc(time.Until(ends), func() {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		hs.expire(time.Now())
	})
}

// floor returns the earliest timestamp that is held. Held: mu.
func (hs *holds) floor() (least timestamp, any bool) {
	for key := range hs.byKey {
		if !any || key.at.before(least) {
			least, any = key.at, true
		}
	}
	return least, any
}

// expire forgets the holds that have ended. Held: mu.
func (hs *holds) expire(now time.Time) {
	n := len(hs.byID)
	for _, h := range hs.byID {
		if !now.Before(h.ends) {
			hs.drop(h)
		}
	}
	if len(hs.byID) != n {
		hs.changed()
	}
}

func (hs *holds) drop(h *hold) {
	delete(hs.byID, h.id)
	delete(hs.byKey, h.key)
}

// AcquireHold makes a hold, or renews it.
func (s *Service) AcquireHold(_ context.Context, r *wirepb.AcquireSnapshotHoldRequest) *wirepb.AcquireSnapshotHoldResponse {
	fail := func(f *failure) *wirepb.AcquireSnapshotHoldResponse {
		return &wirepb.AcquireSnapshotHoldResponse{Type: f.kind, Detail: f.detail}
	}
	switch {
	case r.HolderId == "":
		return fail(invalid("the holder is missing"))
	case r.LeaseMs <= 0:
		return fail(invalid("the lease must be longer than 0"))
	}
	hs := &s.holds
	hs.mu.Lock()
	defer hs.mu.Unlock()
	now := time.Now()
	hs.expire(now)
	key := holdKey{r.HolderId, timestamp{r.TimestampNode, r.TimestampPhysical, r.TimestampCounter}}
	h := hs.byKey[key]
	if h == nil {
		if len(hs.byID) >= s.opts.Holds {
			return fail(&failure{typeErrored, words2detail(kahuna.CodeLimit, "there are too many snapshot holds", "release some", false)})
		}
		var id [16]byte
		_, _ = rand.Read(id[:]) // it does not fail
		h = &hold{id: hex.EncodeToString(id[:]), key: key}
		hs.byID[h.id], hs.byKey[key] = h, h
	}
	h.ends = now.Add(time.Duration(r.LeaseMs) * time.Millisecond)
	hs.changed()
	e := stamp(h.ends)
	return &wirepb.AcquireSnapshotHoldResponse{Type: wirepb.KvType_KV_TYPE_SET, HoldId: h.id, LeaseExpiryNode: e.node, LeaseExpiryPhysical: e.physical,
		LeaseExpiryCounter: e.counter}
}

// RenewHold makes a hold end later.
func (s *Service) RenewHold(_ context.Context, r *wirepb.RenewSnapshotHoldRequest) *wirepb.RenewSnapshotHoldResponse {
	if r.HoldId == "" || r.LeaseMs <= 0 {
		f := invalid("the hold is missing, or the lease is not longer than 0")
		return &wirepb.RenewSnapshotHoldResponse{Type: f.kind, Detail: f.detail}
	}
	hs := &s.holds
	hs.mu.Lock()
	defer hs.mu.Unlock()
	now := time.Now()
	hs.expire(now)
	h := hs.byID[r.HoldId]
	if h == nil {
		return &wirepb.RenewSnapshotHoldResponse{Type: typeDoesNotExist}
	}
	h.ends = now.Add(time.Duration(r.LeaseMs) * time.Millisecond)
	hs.changed()
	e := stamp(h.ends)
	return &wirepb.RenewSnapshotHoldResponse{Type: wirepb.KvType_KV_TYPE_SET, LeaseExpiryNode: e.node, LeaseExpiryPhysical: e.physical, LeaseExpiryCounter: e.counter}
}

// ReleaseHold ends a hold.
func (s *Service) ReleaseHold(_ context.Context, r *wirepb.ReleaseSnapshotHoldRequest) *wirepb.ReleaseSnapshotHoldResponse {
	hs := &s.holds
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.expire(time.Now())
	h := hs.byID[r.HoldId]
	if h == nil {
		return &wirepb.ReleaseSnapshotHoldResponse{Type: typeDoesNotExist}
	}
	hs.drop(h)
	hs.changed()
	return &wirepb.ReleaseSnapshotHoldResponse{Type: wirepb.KvType_KV_TYPE_DELETED}
}

// Floor tells the earliest timestamp that is held.
func (s *Service) Floor(context.Context, *wirepb.GetSnapshotFloorRequest) *wirepb.GetSnapshotFloorResponse {
	hs := &s.holds
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.expire(time.Now())
	least, _ := hs.floor()
	return &wirepb.GetSnapshotFloorResponse{Type: typeGet, EffectiveFloorNode: least.node, EffectiveFloorPhysical: least.physical,
		EffectiveFloorCounter: least.counter, LiveHolds: int32(len(hs.byID))}
}
