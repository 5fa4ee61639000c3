package wire

import (
	"context"
	"errors"
	"strconv"
	"time"

	"kahuna"
	"kahuna/internal/wirepb"
)

// The kinds of operations, for what is remembered under an operation id.
const (
	opSet byte = iota
	opGet
	opExists
	opDelete
	opExtend
	opDeleteMany
	opBucket
	opRange
	opPointLock
	opPrefixLock
	opRangeLock
)

// wrote is what a write did.
type wrote struct {
	kind     wirepb.KvType
	revision int64
	modified timestamp
}

// Set writes a key.
func (s *Service) Set(ctx context.Context, r *wirepb.TrySetKeyValueRequest) *wirepb.TrySetKeyValueResponse {
	start := time.Now()
	fail := func(f *failure) *wirepb.TrySetKeyValueResponse {
		return &wirepb.TrySetKeyValueResponse{Type: f.kind, Detail: f.detail, TimeElapsedMs: since(start)}
	}
	answer := func(w wrote, f *failure) *wirepb.TrySetKeyValueResponse {
		if f != nil {
			return fail(f)
		}
		return &wirepb.TrySetKeyValueResponse{Type: w.kind, Revision: w.revision, LastModifiedNode: w.modified.node, LastModifiedPhysical: w.modified.physical,
			LastModifiedCounter: w.modified.counter, TimeElapsedMs: since(start)}
	}
	if f := checkWrite(r.Key, r.Durability, r.ExpiresMs); f != nil {
		return fail(f)
	}
	name := nameOf(r)
	if name.plain() {
		return answer(s.write(ctx, r.Key, r.Durability, func(t target) (wrote, error) { return t.set(ctx, r) }))
	}
	return operate(s, name, opSet, r, fail, func(x *session) *wirepb.TrySetKeyValueResponse {
		return answer(x.write(r.Key, r.Durability, func(ctx context.Context, t target) (wrote, error) { return t.set(ctx, r) }))
	})
}

func since(start time.Time) int32 { return int32(min(time.Since(start).Milliseconds(), 1<<31-1)) }

func checkWrite(key string, d wirepb.Durability, expiresMs int32) *failure {
	if words := keyWords(key); words != "" {
		return invalid(words)
	}
	if words := durabilityWords(d); words != "" {
		return invalid(words)
	}
	if expiresMs < 0 {
		return invalid("the expiry is negative")
	}
	return nil
}

// write does a write outside transactions, unless a transaction has the key
// locked.
func (s *Service) write(ctx context.Context, key string, d wirepb.Durability, do func(target) (wrote, error)) (wrote, *failure) {
	if s.alone() {
		w, err := do(s.plain(d))
		if err != nil {
			return wrote{}, failed(stopped(ctx, err))
		}
		return w, nil
	}
	leave, c := s.locks.enter(ctx, s.patience(wirepb.ConflictPolicy_CONFLICT_POLICY_UNSPECIFIED), access{writes: []point{{d, key}}}, s.opts.Conflicts == Refuse)
	if c != nil {
		return wrote{}, mustRetry(c.words())
	}
	defer leave()
	w, err := do(s.plain(d))
	if err != nil {
		return wrote{}, failed(stopped(ctx, err))
	}
	return w, nil
}

// set writes a key under the conditions of r.
func (t target) set(ctx context.Context, r *wirepb.TrySetKeyValueRequest) (wrote, error) {
	const ifExists, ifNotExists = int32(wirepb.Flags_FLAGS_IF_EXISTS), int32(wirepb.Flags_FLAGS_IF_NOT_EXISTS)
	flags := int32(r.Flags)
	has := func(f wirepb.Flags) bool { return flags&int32(f) != 0 }
	value := string(r.Value)
	o := &kahuna.SetOptions{XX: flags&ifExists != 0, NX: flags&ifNotExists != 0, NoHistory: has(wirepb.Flags_FLAGS_NO_REVISION),
		TTL: time.Duration(r.ExpiresMs) * time.Millisecond}
	compare := string(r.CompareValue)
	byValue, byRevision := has(wirepb.Flags_FLAGS_IF_EQUAL_TO_VALUE), has(wirepb.Flags_FLAGS_IF_EQUAL_TO_REVISION)
	switch {
	case o.XX && o.NX:
		// Never true together, like any value of a key that does not exist: what is
		// left to say is where the key stands.
		o.XX, o.Equals = false, &compare
	case byValue && compare == "" || byRevision && r.CompareRevision == -1:
		return t.setByScript(ctx, r, o, byValue, byRevision)
	default:
		if byValue {
			o.Equals = &compare
		}
		if byRevision {
			o.Revision = &r.CompareRevision
		}
	}
	res, err := t.Set(ctx, r.Key, value, o)
	if err != nil {
		return wrote{}, err
	}
	w := wrote{wirepb.KvType_KV_TYPE_NOT_SET, res.Revision, stamp(res.Time)}
	if res.Done {
		w.kind = wirepb.KvType_KV_TYPE_SET
	}
	return w, nil
}

// codeNotFirst is the code that the script of setByScript throws.
const codeNotFirst = "kahuna.not-first"

// setByScript is set with conditions that the store's own do not have: an absent
// key counts as an empty value, and revision -1 is a key that never existed.
func (t target) setByScript(ctx context.Context, r *wirepb.TrySetKeyValueRequest, o *kahuna.SetOptions, byValue, byRevision bool) (wrote, error) {
	source := "let ok = " + t.e + "set @key @value"
	params := kahuna.Params{"key": r.Key, "value": r.Value}
	for _, c := range []struct {
		given bool
		text  string
	}{{o.NX, " nx"}, {o.XX, " xx"}, {o.NoHistory, " norev"}} {
		if c.given {
			source += c.text
		}
	}
	if byValue {
		source += " cmp @compare"
		params["compare"] = string(r.CompareValue)
		if len(r.CompareValue) == 0 {
			params["compare"] = nil // which a key that is absent equals, too
		}
	}
	if byRevision {
		source += " cmprev @revision"
		params["revision"] = r.CompareRevision
	}
	if r.ExpiresMs > 0 {
		source += " ex @ttl"
		params["ttl"] = int64(r.ExpiresMs)
	}
	if byRevision && r.CompareRevision == -1 {
		// A key that was deleted is at -1 for the store, but not for the protocol.
		source += "\nif ok && rev(ok) > 0 then throw rev(ok) - 1, \"" + codeNotFirst + "\" end"
	}
	source += "\nreturn [ok, rev(ok)]"
	res, err := t.run(ctx, source, params, nil)
	if err != nil {
		var e *kahuna.Error
		if errors.As(err, &e) && e.Code == kahuna.CodeThrow && e.UserCode == codeNotFirst {
			if rev, bad := strconv.ParseInt(e.Message, 10, 64); bad == nil {
				return wrote{kind: wirepb.KvType_KV_TYPE_NOT_SET, revision: rev}, nil
			}
		}
		return wrote{}, err
	}
	w := wrote{kind: wirepb.KvType_KV_TYPE_NOT_SET}
	if w.revision, err = strconv.ParseInt(res.Entries[1].Value, 10, 64); err != nil {
		return wrote{}, err
	}
	if res.Entries[0].Value == "true" {
		w.kind = wirepb.KvType_KV_TYPE_SET
	}
	return w, nil
}

// Delete deletes a key.
func (s *Service) Delete(ctx context.Context, r *wirepb.TryDeleteKeyValueRequest) *wirepb.TryDeleteKeyValueResponse {
	start := time.Now()
	fail := func(f *failure) *wirepb.TryDeleteKeyValueResponse {
		return &wirepb.TryDeleteKeyValueResponse{Type: f.kind, Detail: f.detail, TimeElapsedMs: since(start)}
	}
	answer := func(w wrote, f *failure) *wirepb.TryDeleteKeyValueResponse {
		if f != nil {
			return fail(f)
		}
		return &wirepb.TryDeleteKeyValueResponse{Type: w.kind, Revision: w.revision, LastModifiedNode: w.modified.node, LastModifiedPhysical: w.modified.physical,
			LastModifiedCounter: w.modified.counter, TimeElapsedMs: since(start)}
	}
	if f := checkWrite(r.Key, r.Durability, 0); f != nil {
		return fail(f)
	}
	name := nameOf(r)
	if name.plain() {
		return answer(s.write(ctx, r.Key, r.Durability, func(t target) (wrote, error) { return t.delete(ctx, r.Key) }))
	}
	return operate(s, name, opDelete, r, fail, func(x *session) *wirepb.TryDeleteKeyValueResponse {
		return answer(x.write(r.Key, r.Durability, func(ctx context.Context, t target) (wrote, error) { return t.delete(ctx, r.Key) }))
	})
}

func (t target) delete(ctx context.Context, key string) (wrote, error) {
	res, err := t.Delete(ctx, key)
	return done(res, wirepb.KvType_KV_TYPE_DELETED), err
}

// done is what a delete or an extend did. A key that never existed is at 0 there.
func done(res kahuna.WriteResult, kind wirepb.KvType) wrote {
	if !res.Done {
		kind = typeDoesNotExist
	}
	return wrote{kind, max(res.Revision, 0), stamp(res.Time)}
}

// Extend changes when a key ends.
func (s *Service) Extend(ctx context.Context, r *wirepb.TryExtendKeyValueRequest) *wirepb.TryExtendKeyValueResponse {
	start := time.Now()
	fail := func(f *failure) *wirepb.TryExtendKeyValueResponse {
		return &wirepb.TryExtendKeyValueResponse{Type: f.kind, Detail: f.detail, TimeElapsedMs: since(start)}
	}
	answer := func(w wrote, f *failure) *wirepb.TryExtendKeyValueResponse {
		if f != nil {
			return fail(f)
		}
		return &wirepb.TryExtendKeyValueResponse{Type: w.kind, Revision: w.revision, LastModifiedNode: w.modified.node, LastModifiedPhysical: w.modified.physical,
			LastModifiedCounter: w.modified.counter, TimeElapsedMs: since(start)}
	}
	if f := checkWrite(r.Key, r.Durability, r.ExpiresMs); f != nil {
		return fail(f)
	}
	name := nameOf(r)
	if name.plain() {
		return answer(s.write(ctx, r.Key, r.Durability, func(t target) (wrote, error) { return t.extend(ctx, r) }))
	}
	return operate(s, name, opExtend, r, fail, func(x *session) *wirepb.TryExtendKeyValueResponse {
		return answer(x.write(r.Key, r.Durability, func(ctx context.Context, t target) (wrote, error) { return t.extend(ctx, r) }))
	})
}

// extend makes a key end. At once is after the shortest time to live that there
// is, which is then waited for.
func (t target) extend(ctx context.Context, r *wirepb.TryExtendKeyValueRequest) (wrote, error) {
	ttl := time.Duration(r.ExpiresMs) * time.Millisecond
	now := ttl == 0
	if now {
		ttl = time.Millisecond
	}
	res, err := t.Extend(ctx, r.Key, ttl)
	if err == nil && now && res.Done && !t.inside {
		time.Sleep(2 * ttl)
	}
	return done(res, wirepb.KvType_KV_TYPE_EXTENDED), err
}

// which says what version of a key is read.
type which struct {
	key        string
	revision   int64 // -1 is the current one
	durability wirepb.Durability
	at         timestamp
}

func (w *which) check() *failure {
	if words := keyWords(w.key); words != "" {
		return invalid(words)
	}
	if words := durabilityWords(w.durability); words != "" {
		return invalid(words)
	}
	if w.revision < -1 {
		return invalid("the revision is -1 for the current one, or 0 and more")
	}
	return nil
}

// version is what was read of a key.
type version struct {
	found    bool
	entry    kahuna.Entry
	expires  timestamp
	modified timestamp
}

// Get reads a key.
func (s *Service) Get(ctx context.Context, r *wirepb.TryGetKeyValueRequest) *wirepb.TryGetKeyValueResponse {
	start := time.Now()
	fail := func(f *failure) *wirepb.TryGetKeyValueResponse { return got(version{}, f, start) }
	answer := func(v version, f *failure) *wirepb.TryGetKeyValueResponse { return got(v, f, start) }
	w := which{r.Key, r.Revision, r.Durability, readAt(r)}
	return read(ctx, s, nameOf(r), opGet, r, w, fail, answer)
}

// StartGet is Get for callers that must not wait: it gives the answer to done, as
// kahuna.Async does. When the call is one that may wait, it does nothing and
// returns false.
func (s *Service) StartGet(ctx context.Context, r *wirepb.TryGetKeyValueRequest, done func(*wirepb.TryGetKeyValueResponse)) bool {
	w := which{r.Key, r.Revision, r.Durability, readAt(r)}
	if !nameOf(r).plain() || w.revision != -1 || !w.at.none() || w.check() != nil || s.open.Load() > 0 {
		return false
	}
	start := time.Now()
	a := s.db.Async()
	if r.Durability == wirepb.Durability_DURABILITY_EPHEMERAL {
		a = a.Ephemeral()
	}
	a.Get(ctx, r.Key, func(e kahuna.Entry, found bool, err error) {
		var f *failure
		if err != nil {
			f = failed(stopped(ctx, err))
		}
		done(got(version{found: found, entry: e, expires: stamp(e.Expires), modified: stamp(e.Modified)}, f, start))
	})
	return true
}

// got is the answer of Get.
func got(v version, f *failure, start time.Time) *wirepb.TryGetKeyValueResponse {
	if f != nil {
		return &wirepb.TryGetKeyValueResponse{Type: f.kind, Detail: f.detail, TimeElapsedMs: since(start)}
	}
	a := &wirepb.TryGetKeyValueResponse{Type: typeDoesNotExist, TimeElapsedMs: since(start)}
	if v.found {
		a.Type, a.Value, a.Revision, a.State = typeGet, []byte(v.entry.Value), v.entry.Revision, wirepb.State_STATE_SET
		a.ExpiresNode, a.ExpiresPhysical, a.ExpiresCounter = v.expires.node, v.expires.physical, v.expires.counter
		a.LastModifiedNode, a.LastModifiedPhysical, a.LastModifiedCounter = v.modified.node, v.modified.physical, v.modified.counter
	}
	return a
}

// Exists looks for a key.
func (s *Service) Exists(ctx context.Context, r *wirepb.TryExistsKeyValueRequest) *wirepb.TryExistsKeyValueResponse {
	start := time.Now()
	fail := func(f *failure) *wirepb.TryExistsKeyValueResponse {
		return &wirepb.TryExistsKeyValueResponse{Type: f.kind, Detail: f.detail, TimeElapsedMs: since(start)}
	}
	answer := func(v version, f *failure) *wirepb.TryExistsKeyValueResponse {
		if f != nil {
			return fail(f)
		}
		a := &wirepb.TryExistsKeyValueResponse{Type: typeDoesNotExist, TimeElapsedMs: since(start)}
		if v.found {
			a.Type, a.Revision, a.State = wirepb.KvType_KV_TYPE_EXISTS, v.entry.Revision, wirepb.State_STATE_SET
			a.ExpiresNode, a.ExpiresPhysical, a.ExpiresCounter = v.expires.node, v.expires.physical, v.expires.counter
			a.LastModifiedNode, a.LastModifiedPhysical, a.LastModifiedCounter = v.modified.node, v.modified.physical, v.modified.counter
		}
		return a
	}
	w := which{r.Key, r.Revision, r.Durability, readAt(r)}
	return read(ctx, s, nameOf(r), opExists, r, w, fail, answer)
}

// read is Get and Exists.
func read[Q opMessage, A answerMessage](ctx context.Context, s *Service, name txName, kind byte, r Q, w which, fail func(*failure) A, answer func(version, *failure) A) A {
	if f := w.check(); f != nil {
		return fail(f)
	}
	if name.plain() {
		return answer(s.get(ctx, w))
	}
	return operate(s, name, kind, r, fail, func(x *session) A { return answer(x.get(w)) })
}

// get reads a key outside transactions. Who has it locked does not matter, unless
// it has the whole bucket.
func (s *Service) get(ctx context.Context, w which) (version, *failure) {
	if w.revision == -1 && w.at.none() && s.open.Load() > 0 {
		if c := s.locks.outsidePrefix(ctx, s.patience(0), point{w.durability, w.key}); c != nil {
			return version{}, mustRetry(c.words())
		}
	}
	v, err := s.plain(w.durability).get(ctx, w)
	if err != nil {
		return version{}, failed(stopped(ctx, err))
	}
	return v, nil
}

func (t target) get(ctx context.Context, w which) (version, error) {
	var e kahuna.Entry
	var found bool
	var err error
	switch {
	case w.revision >= 0:
		e, found, err = t.past(ctx, "at", w.key, w.revision)
	case !w.at.none():
		e, found, err = t.past(ctx, "as of", w.key, w.at.physical)
	default:
		e, found, err = t.Get(ctx, w.key)
	}
	if err != nil || !found {
		return version{}, err
	}
	return version{found: true, entry: e, expires: stamp(e.Expires), modified: stamp(e.Modified)}, nil
}

// past reads an earlier version of a key.
func (t target) past(ctx context.Context, how, key string, n int64) (e kahuna.Entry, found bool, err error) {
	if how == "as of" && n <= 0 {
		return e, false, nil // before everything
	}
	res, err := t.run(ctx, "return "+t.e+"get @key "+how+" @n", kahuna.Params{"key": key, "n": n}, nil)
	if err != nil || res.Type != kahuna.TypeGet || len(res.Entries) == 0 {
		return e, false, err
	}
	return res.Entries[0], true, nil
}
