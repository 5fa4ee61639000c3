package wire

import (
	"context"
	"fmt"
	"sync"
	"time"

	"kahuna/internal/wirepb"
)

// SetMany writes several keys, each by itself. Its items are in the order of the
// request.
func (s *Service) SetMany(ctx context.Context, r *wirepb.TrySetManyKeyValueRequest) *wirepb.TrySetManyKeyValueResponse {
	start := time.Now()
	a := &wirepb.TrySetManyKeyValueResponse{Items: make([]*wirepb.TrySetManyKeyValueResponseItem, len(r.Items))}
	refused := ""
	for _, it := range r.Items {
		switch {
		case it.GetKey() == "":
			f := invalid("a key is empty")
			return &wirepb.TrySetManyKeyValueResponse{TimeElapsedMs: since(start),
				Items: []*wirepb.TrySetManyKeyValueResponseItem{{Type: f.kind, Detail: f.detail}}}
		case reserved(it.Key):
			refused = "keys that begin with " + reservedPrefix + " are reserved"
		case !idOf(it).none():
			refused = "a write of several keys cannot be part of a transaction"
		}
	}
	var all sync.WaitGroup
	pending := make(chan struct{}, manyAtOnce)
	same := map[point]chan struct{}{} // the last write of each key
	for i, it := range r.Items {
		item := &wirepb.TrySetManyKeyValueResponseItem{Key: it.Key, Durability: it.Durability}
		a.Items[i] = item
		if refused != "" {
			f := invalid(refused)
			item.Type, item.Detail = f.kind, f.detail
			continue
		}
		p, done := point{it.Durability, it.Key}, make(chan struct{})
		before := same[p]
		same[p] = done
		pending <- struct{}{}
		all.Go(func() {
			defer func() { close(done); <-pending }()
			if before != nil {
				<-before
			}
			s.setItem(ctx, it, item)
		})
	}
	all.Wait()
	a.TimeElapsedMs = since(start)
	return a
}

// manyAtOnce is how many writes of one request are under way together.
const manyAtOnce = 64

// setItem writes one of several keys.
func (s *Service) setItem(ctx context.Context, it *wirepb.TrySetManyKeyValueRequestItem, item *wirepb.TrySetManyKeyValueResponseItem) {
	defer func() {
		if recover() != nil {
			f := fault("the server failed in the middle of the call")
			item.Type, item.Detail = f.kind, f.detail
		}
	}()
	a := s.Set(ctx, &wirepb.TrySetKeyValueRequest{Key: it.Key, Value: it.Value, CompareValue: it.CompareValue, CompareRevision: it.CompareRevision,
		Flags: it.Flags, ExpiresMs: it.ExpiresMs, Durability: it.Durability})
	item.Type, item.Revision, item.Detail = a.Type, a.Revision, a.Detail
	item.LastModifiedNode, item.LastModifiedPhysical, item.LastModifiedCounter = a.LastModifiedNode, a.LastModifiedPhysical, a.LastModifiedCounter
}

// deleted is the answer of DeleteMany with a type, as the memory of operations
// wants it.
type deleted struct {
	*wirepb.TryDeleteManyKeyValueResponse
	kind wirepb.KvType
}

func (d deleted) GetType() wirepb.KvType { return d.kind }

// DeleteMany deletes several keys: in a transaction as one operation of it, else
// each by itself. Its items are in the order of the request.
func (s *Service) DeleteMany(ctx context.Context, r *wirepb.TryDeleteManyKeyValueRequest) *wirepb.TryDeleteManyKeyValueResponse {
	start := time.Now()
	items := func(f *failure) []*wirepb.TryDeleteManyKeyValueResponseItem {
		list := make([]*wirepb.TryDeleteManyKeyValueResponseItem, len(r.Items))
		for i, it := range r.Items {
			list[i] = &wirepb.TryDeleteManyKeyValueResponseItem{Key: it.GetKey(), Durability: it.GetDurability()}
			if f != nil {
				list[i].Type, list[i].Detail = f.kind, f.detail
			}
		}
		return list
	}
	fail := func(f *failure) deleted {
		return deleted{&wirepb.TryDeleteManyKeyValueResponse{Items: items(f), TimeElapsedMs: since(start)}, f.kind}
	}
	var id timestamp
	for _, it := range r.Items {
		switch {
		case reserved(it.GetKey()):
			return fail(invalid("keys that begin with " + reservedPrefix + " are reserved")).TryDeleteManyKeyValueResponse
		case id.none():
			id = idOf(it)
		case !idOf(it).none() && idOf(it) != id:
			return fail(invalid("the keys are of several transactions")).TryDeleteManyKeyValueResponse
		}
	}
	run := func(one func(*wirepb.TryDeleteManyKeyValueRequestItem) (wrote, *failure)) deleted {
		a := deleted{&wirepb.TryDeleteManyKeyValueResponse{Items: items(nil)}, wirepb.KvType_KV_TYPE_DELETED}
		for i, it := range r.Items {
			item := a.Items[i]
			f := checkWrite(it.GetKey(), it.GetDurability(), 0)
			var w wrote
			if f == nil {
				w, f = one(it)
			}
			if f != nil {
				item.Type, item.Detail = f.kind, f.detail
				continue
			}
			item.Type, item.Revision = w.kind, w.revision
			item.LastModifiedNode, item.LastModifiedPhysical, item.LastModifiedCounter = w.modified.node, w.modified.physical, w.modified.counter
		}
		a.TimeElapsedMs = since(start)
		return a
	}
	if id.none() {
		return run(func(it *wirepb.TryDeleteManyKeyValueRequestItem) (wrote, *failure) {
			return s.write(ctx, it.Key, it.Durability, func(t target) (wrote, error) { return t.delete(ctx, it.Key) })
		}).TryDeleteManyKeyValueResponse
	}
	name := txName{id, r.GetCoordinatorKey(), opID{r.GetOperationIdHigh(), r.GetOperationIdLow()}}
	return operate(s, name, opDeleteMany, r, fail, func(x *session) deleted {
		// All locks first: who sends it again does so with the same id.
		for _, it := range r.Items {
			if checkWrite(it.GetKey(), it.GetDurability(), 0) != nil {
				continue
			}
			if f := x.lockToWrite(it.Key, it.Durability); f != nil {
				return fail(f)
			}
		}
		return run(func(it *wirepb.TryDeleteManyKeyValueRequestItem) (wrote, *failure) {
			return x.write(it.Key, it.Durability, func(ctx context.Context, t target) (wrote, error) { return t.delete(ctx, it.Key) })
		})
	}).TryDeleteManyKeyValueResponse
}

// readMany reads several keys, each by itself. It reports why all of them are
// refused.
func (s *Service) readMany(ctx context.Context, id, at timestamp, items []*wirepb.TryManyValuesRequestItem, one func(i int, v version, f *failure)) (refused *failure) {
	if !id.none() {
		return invalid("a read of several keys cannot be part of a transaction")
	}
	bytes := 0
	for i, it := range items {
		w := which{it.GetKey(), it.GetRevision(), it.GetDurability(), at}
		f := w.check()
		var v version
		if f == nil {
			v, f = s.get(ctx, w)
		}
		if bytes += len(it.GetKey()) + len(v.entry.Value) + rowOverhead; bytes > rowsBytes {
			return errored(fmt.Sprintf("too much at once: an answer has at most %d bytes; ask for fewer keys", ReplyBytes))
		}
		one(i, v, f)
	}
	return nil
}

// emptyItem reports whether a request to read several keys has none, or one
// without a name: both are answered with one item.
func emptyItem(items []*wirepb.TryManyValuesRequestItem) bool {
	for _, it := range items {
		if it.GetKey() == "" {
			return true
		}
	}
	return len(items) == 0
}

// GetMany reads several keys, each by itself.
func (s *Service) GetMany(ctx context.Context, r *wirepb.TryGetManyValuesRequest) *wirepb.TryGetManyValuesResponse {
	if emptyItem(r.Items) {
		f := invalid("a key is empty, or there is none")
		return &wirepb.TryGetManyValuesResponse{Items: []*wirepb.TryGetManyValuesResponseItem{{Type: f.kind, Detail: f.detail}}}
	}
	a := &wirepb.TryGetManyValuesResponse{Items: make([]*wirepb.TryGetManyValuesResponseItem, len(r.Items))}
	for i, it := range r.Items {
		a.Items[i] = &wirepb.TryGetManyValuesResponseItem{Key: it.Key, Durability: it.Durability}
	}
	f := s.readMany(ctx, idOf(r), readAt(r), r.Items, func(i int, v version, f *failure) {
		item := a.Items[i]
		switch {
		case f != nil:
			item.Type, item.Detail = f.kind, f.detail
		case !v.found:
			item.Type = typeDoesNotExist
		default:
			item.Type, item.Value, item.Revision, item.State = typeGet, []byte(v.entry.Value), v.entry.Revision, wirepb.State_STATE_SET
			item.ExpiresNode, item.ExpiresPhysical, item.ExpiresCounter = v.expires.node, v.expires.physical, v.expires.counter
			item.LastModifiedNode, item.LastModifiedPhysical, item.LastModifiedCounter = v.modified.node, v.modified.physical, v.modified.counter
		}
	})
	if f != nil {
		for i, it := range r.Items {
			a.Items[i] = &wirepb.TryGetManyValuesResponseItem{Key: it.Key, Durability: it.Durability, Type: f.kind}
		}
		a.Items[0].Detail = f.detail
	}
	return a
}

// ExistsMany looks for several keys, each by itself.
func (s *Service) ExistsMany(ctx context.Context, r *wirepb.TryExistsManyValuesRequest) *wirepb.TryExistsManyValuesResponse {
	if emptyItem(r.Items) {
		f := invalid("a key is empty, or there is none")
		return &wirepb.TryExistsManyValuesResponse{Items: []*wirepb.TryExistsManyValuesResponseItem{{Type: f.kind, Detail: f.detail}}}
	}
	a := &wirepb.TryExistsManyValuesResponse{Items: make([]*wirepb.TryExistsManyValuesResponseItem, len(r.Items))}
	for i, it := range r.Items {
		a.Items[i] = &wirepb.TryExistsManyValuesResponseItem{Key: it.Key, Durability: it.Durability}
	}
	f := s.readMany(ctx, idOf(r), readAt(r), r.Items, func(i int, v version, f *failure) {
		item := a.Items[i]
		switch {
		case f != nil:
			item.Type, item.Detail = f.kind, f.detail
		case !v.found:
			item.Type = typeDoesNotExist
		default:
			item.Type, item.Revision, item.State = wirepb.KvType_KV_TYPE_EXISTS, v.entry.Revision, wirepb.State_STATE_SET
			item.ExpiresNode, item.ExpiresPhysical, item.ExpiresCounter = v.expires.node, v.expires.physical, v.expires.counter
			item.LastModifiedNode, item.LastModifiedPhysical, item.LastModifiedCounter = v.modified.node, v.modified.physical, v.modified.counter
		}
	})
	if f != nil {
		for _, item := range a.Items {
			item.Type, item.Detail = f.kind, f.detail
		}
	}
	return a
}
