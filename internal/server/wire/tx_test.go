package wire

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kahuna"
	pb "kahuna/internal/wirepb"
)

// TestStartAndCommit is trap 12: start answers Set, commit Committed.
func TestStartAndCommit(t *testing.T) {
	b := newBench(t, Options{})
	x := b.begin(&pb.StartTransactionRequest{})
	is(t, "commit of nothing", x.commit(), tCommit)
	is(t, "commit again", x.commit(), tCommit)
	is(t, "rollback of what was committed", x.rollback(), typeErrored)
	if a := x.rollback(); !strings.Contains(a.Detail.Message, "committed") {
		t.Error(a)
	}
	is(t, "a late operation", x.set("k", "v"), typeAborted)

	y := b.begin(&pb.StartTransactionRequest{LockingType: 1})
	is(t, "set", y.set("k", "v"), tSet)
	is(t, "own get", y.get("k"), typeGet)
	is(t, "rollback", y.rollback(), tRolled)
	is(t, "rollback again", y.rollback(), tRolled)
	is(t, "commit of what was rolled back", y.commit(), typeAborted)
	is(t, "get", b.get("k"), typeDoesNotExist)

	for what, r := range map[string]*pb.StartTransactionRequest{
		"without a coordinator": {}, "locking": {CoordinatorKey: "c", LockingType: 2}, "validation": {CoordinatorKey: "c", ReadValidation: -1},
		"durability": {CoordinatorKey: "c", DecisionDurability: 9},
	} {
		is(t, what, b.Start(b.ctx, r), typeInvalid)
	}
	is(t, "an unknown priority", b.Start(b.ctx, &pb.StartTransactionRequest{CoordinatorKey: "c", Priority: 77}), tSet)
	is(t, "commit without a coordinator", b.Commit(b.ctx, &pb.CommitTransactionRequest{TransactionIdPhysical: 5}), typeInvalid)
	is(t, "commit of an unknown one", b.Commit(b.ctx, &pb.CommitTransactionRequest{CoordinatorKey: "c", TransactionIdPhysical: 5}), typeErrored)
	is(t, "rollback of an unknown one", b.Rollback(b.ctx, &pb.RollbackTransactionRequest{CoordinatorKey: "c", TransactionIdPhysical: 5}), typeErrored)
}

// TestNames: what a request needs to be an operation of a transaction.
func TestNames(t *testing.T) {
	b := newBench(t, Options{})
	x := b.begin(&pb.StartTransactionRequest{})
	r := x.setRequest("k", "v", 0)
	is(t, "without an operation id", b.Set(b.ctx, r), typeInvalid)
	r = x.setRequest("k", "v", 1)
	r.CoordinatorKey = ""
	is(t, "without a coordinator", b.Set(b.ctx, r), typeInvalid)
	r.CoordinatorKey = "another"
	is(t, "of another coordinator", b.Set(b.ctx, r), typeAborted)
	r = x.setRequest("k", "v", 1)
	r.TransactionIdNode, r.TransactionIdPhysical, r.TransactionIdCounter = 0, 0, 0
	is(t, "without a transaction", b.Set(b.ctx, r), tSet)
	is(t, "it is a plain one", b.get("k"), typeGet)
}

// TestOperationIDs is item 9, and trap 13 as far as it applies twice.
func TestOperationIDs(t *testing.T) {
	b := newBench(t, Options{})
	b.set("gone", "v")
	x := b.begin(&pb.StartTransactionRequest{})
	const id = 1 << 63
	for range 3 {
		if a := b.Set(b.ctx, x.setRequest("k", "v", id)); a.Type != tSet || a.Revision != 0 {
			t.Error(a)
		}
	}
	is(t, "the id with another value", b.Set(b.ctx, x.setRequest("k", "w", id)), typeErrored)
	is(t, "the id of another kind", b.LockPoint(b.ctx, x.lockRequest("k", 0, id)), typeErrored)
	del := &pb.TryDeleteKeyValueRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter,
		CoordinatorKey: coordinator, OperationIdHigh: 1<<64 - 1, OperationIdLow: 1<<64 - 1, Key: "gone", Durability: persistent}
	for range 2 {
		if a := b.Delete(b.ctx, del); a.Type != tDeleted || a.Revision != 1 {
			t.Error(a)
		}
	}
	// A read is read again.
	get := &pb.TryGetKeyValueRequest{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter,
		CoordinatorKey: coordinator, OperationIdLow: 5, Key: "k", Revision: -1, Durability: persistent}
	is(t, "get", b.Get(b.ctx, get), typeGet)
	is(t, "delete", x.del("k"), tDeleted)
	is(t, "the same get", b.Get(b.ctx, get), typeDoesNotExist)
	is(t, "commit", x.commit(), tCommit)
}

// TestMustRetryIsForgotten is trap 13: what was refused with MustRetry is done
// when it comes again under the same id.
func TestMustRetryIsForgotten(t *testing.T) {
	b := newBench(t, Options{Conflicts: Refuse})
	x, y := b.begin(&pb.StartTransactionRequest{}), b.begin(&pb.StartTransactionRequest{})
	is(t, "lock", x.lock("k", 0), tLocked)
	r := y.setRequest("k", "v", 77)
	for range 3 {
		is(t, "set of a locked key", b.Set(b.ctx, r), typeMustRetry)
	}
	is(t, "rollback", x.rollback(), tRolled)
	is(t, "set under the same id", b.Set(b.ctx, r), tSet)
	is(t, "and again", b.Set(b.ctx, r), tSet)
	is(t, "commit", y.commit(), tCommit)
	if a := b.get("k"); a.Revision != 0 {
		t.Error("WIRE-1: it was applied twice:", a)
	}
}

// TestOperationUnderWay: an id that is sent again while its operation waits.
func TestOperationUnderWay(t *testing.T) {
	b := newBench(t, Options{Patience: time.Minute})
	x, y := b.begin(&pb.StartTransactionRequest{}), b.begin(&pb.StartTransactionRequest{})
	is(t, "lock", x.lock("k", 0), tLocked)
	r := y.setRequest("k", "v", 77)
	var sent sync.WaitGroup
	answers := make(chan *pb.TrySetKeyValueResponse, 2)
	for range 2 {
		sent.Go(func() { answers <- b.Set(b.ctx, r) })
	}
	is(t, "rollback", x.rollback(), tRolled)
	sent.Wait()
	for range 2 {
		if a := <-answers; a.Type != tSet || a.Revision != 0 {
			t.Error(a)
		}
	}
}

// TestContention is item 7, and the table of section 8.
func TestContention(t *testing.T) {
	b := newBench(t, Options{})
	b.set("k", "old")
	x, y := b.begin(&pb.StartTransactionRequest{}), b.begin(&pb.StartTransactionRequest{})
	is(t, "lock", x.lock("k", 60_000), tLocked)
	is(t, "lock again", x.lock("k", 60_000), tLocked)
	is(t, "set", x.set("k", "new"), tSet)

	// Reads do not wait, and see what is committed.
	if a := b.get("k"); string(a.Value) != "old" {
		t.Error("get:", a)
	}
	is(t, "exists", b.Exists(b.ctx, &pb.TryExistsKeyValueRequest{Key: "k", Revision: -1, Durability: persistent}), pb.KvType_KV_TYPE_EXISTS)
	if a := b.script("get k"); a.Type != typeGet || string(a.Values[0].Value) != "old" {
		t.Error("script:", a)
	}
	if a := y.get("k"); string(a.Value) != "old" {
		t.Error("get of another transaction:", a)
	}
	if a := x.get("k"); string(a.Value) != "new" {
		t.Error("own get:", a)
	}
	if a := b.Scan(b.ctx, &pb.ScanAllByPrefixRequest{PrefixKey: "k", Durability: persistent}); string(a.Items[0].Value) != "old" {
		t.Error("scan:", a)
	}
	// Writes are refused.
	refused := map[string]func() pb.KvType{
		"set": func() pb.KvType { return b.set("k", "x").Type }, "delete": func() pb.KvType { return b.del("k").Type },
		"extend": func() pb.KvType {
			return b.Extend(b.ctx, &pb.TryExtendKeyValueRequest{Key: "k", ExpiresMs: 5, Durability: persistent}).Type
		},
		"set many": func() pb.KvType {
			return b.SetMany(b.ctx, &pb.TrySetManyKeyValueRequest{Items: []*pb.TrySetManyKeyValueRequestItem{{Key: "k", Durability: persistent}}}).Items[0].Type
		},
		"set of another transaction": func() pb.KvType { return y.set("k", "x").Type },
	}
	for what, do := range refused {
		if got := do(); got != typeMustRetry {
			t.Errorf("%s: %v", what, got)
		}
	}
	if a := b.script("let v = get k set k concat(v, \"x\")"); a.Type != typeAborted || !strings.Contains(a.GetReason(), "locked by another transaction") || !a.Detail.Retry {
		t.Error("script:", a)
	}
	a := y.lock("k", 0)
	if a.Type != tAlready || (timestamp{a.HolderTransactionIdNode, a.HolderTransactionIdPhysical, a.HolderTransactionIdCounter}) != x.id {
		t.Error("lock of another transaction:", a)
	}
	// The other space is another key.
	is(t, "ephemeral", b.Set(b.ctx, &pb.TrySetKeyValueRequest{Key: "k", Durability: ephemeral}), tSet)
	is(t, "another key", b.set("other", "x"), tSet)

	is(t, "commit", x.commit(), tCommit)
	if a := b.get("k"); string(a.Value) != "new" || a.Revision != 1 {
		t.Error(a)
	}
	is(t, "set", b.set("k", "x"), tSet)
	is(t, "lock of the other", y.lock("j", 0), tLocked)
	is(t, "rollback", y.rollback(), tRolled)
}

// TestRefusalTakesTime is trap 14: a refusal takes some time, but not long; with
// Refuse, none.
func TestRefusalTakesTime(t *testing.T) {
	b := newBench(t, Options{})
	x := b.begin(&pb.StartTransactionRequest{})
	is(t, "lock", x.lock("k", 0), tLocked)
	start := time.Now()
	is(t, "set", b.set("k", "v"), typeMustRetry)
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("a refusal took %v: five attempts would be gone in a moment", took)
	}
	// A lock that is given up in time is got.
	got := make(chan pb.KvType, 1)
	b.opts.Patience = time.Minute
	go func() { got <- b.set("k", "v").Type }()
	is(t, "rollback", x.rollback(), tRolled)
	if kind := <-got; kind != tSet {
		t.Error(kind)
	}
}

// TestPolicyOfSession: a transaction may ask for another policy than the
// server's.
func TestPolicyOfSession(t *testing.T) {
	b := newBench(t, Options{Patience: time.Hour})
	x := b.begin(&pb.StartTransactionRequest{})
	y := b.begin(&pb.StartTransactionRequest{Conflicts: pb.ConflictPolicy_CONFLICT_POLICY_REFUSE})
	is(t, "lock", x.lock("k", 0), tLocked)
	is(t, "lock of one that is refused at once", y.lock("k", 0), tAlready)
	is(t, "write of one that is refused at once", y.set("k", "v"), typeMustRetry)
	is(t, "rollback", x.rollback(), tRolled)
}

// TestPrefixLock is item 8: it succeeds over a foreign point lock, and nobody
// else writes a new key inside.
func TestPrefixLock(t *testing.T) {
	b := newBench(t, Options{Conflicts: Refuse})
	b.set("q/a", "old")
	x, y := b.begin(&pb.StartTransactionRequest{}), b.begin(&pb.StartTransactionRequest{})
	is(t, "point lock", x.lock("q/a", 0), tLocked)
	is(t, "set", x.set("q/a", "new"), tSet)
	is(t, "prefix lock over it", y.lockPrefix("q"), tLocked)
	is(t, "prefix lock again", y.lockPrefix("q/"), tLocked)
	is(t, "prefix lock of another", x.lockPrefix("q"), tAlready)
	if a := y.bucket("q"); len(a.Items) != 1 || string(a.Items[0].Value) != "old" {
		t.Error("bucket:", a)
	}
	is(t, "a new key", b.set("q/new", "v"), typeMustRetry)
	is(t, "a new key of another transaction", x.set("q/new", "v"), typeMustRetry)
	is(t, "the lock of a new key", x.lock("q/new", 0), tAlready)
	is(t, "a new key by a script", b.script("let n = 1 set 'q/new' n"), typeAborted)
	is(t, "get under it", b.get("q/a"), typeMustRetry)
	is(t, "own write", y.set("q/mine", "v"), tSet)
	for _, key := range []string{"q", "q/a/b", "qq/a"} {
		is(t, "outside: "+key, b.set(key, "v"), tSet)
	}
	// The holder of the point lock commits; who read the old value does not.
	is(t, "commit", x.commit(), tCommit)
	is(t, "commit of who read what was changed", y.commit(), typeAborted)
	is(t, "get", b.get("q/mine"), typeDoesNotExist)
	is(t, "afterwards", b.set("q/new", "v"), tSet)

	z := b.begin(&pb.StartTransactionRequest{})
	is(t, "prefix lock", z.lockPrefix("q"), tLocked)
	is(t, "release", z.unlockPrefix("q"), pb.KvType_KV_TYPE_UNLOCKED)
	is(t, "release of none", z.unlockPrefix("q"), pb.KvType_KV_TYPE_UNLOCKED)
	is(t, "set", b.set("q/new", "v"), tSet)
}

// TestRangeLock: range locks, shared and exclusive.
func TestRangeLock(t *testing.T) {
	const exclusive, shared = pb.RangeMode_RANGE_MODE_EXCLUSIVE, pb.RangeMode_RANGE_MODE_SHARED
	b := newBench(t, Options{Conflicts: Refuse})
	x, y, z := b.begin(&pb.StartTransactionRequest{}), b.begin(&pb.StartTransactionRequest{}), b.begin(&pb.StartTransactionRequest{})
	is(t, "point lock", z.lock("r/c", 0), tLocked)
	is(t, "shared", x.lockRange("r/", "r/a", "r/m", shared), tLocked)
	is(t, "shared by another", y.lockRange("r/", "r/c", "r/z", shared), tLocked)
	is(t, "exclusive by another", z.lockRange("r/", "r/m", "r/n", exclusive), tAlready)
	is(t, "exclusive beside it", z.lockRange("r/", "r/zz", "r/zzz", exclusive), tLocked)
	is(t, "to exclusive while another shares", x.lockRange("r/", "r/a", "r/m", exclusive), tAlready)
	is(t, "write inside", b.set("r/b", "v"), typeMustRetry)
	is(t, "write inside, of a sharer", x.set("r/n", "v"), typeMustRetry)
	is(t, "write outside", b.set("r/zzzz", "v"), tSet)
	is(t, "release", y.unlockRange("r/", "r/c", "r/z"), pb.KvType_KV_TYPE_UNLOCKED)
	is(t, "to exclusive", x.lockRange("r/", "r/a", "r/m", exclusive), tLocked)
	is(t, "shared by another", y.lockRange("r/", "r/a", "r/b", shared), tAlready)
	is(t, "write inside", x.set("r/b", "v"), tSet)
	is(t, "commit", x.commit(), tCommit)
	is(t, "get", b.get("r/b"), typeGet)
	is(t, "bad mode", y.lockRange("r/", "a", "b", 7), typeInvalid)
}

// TestLockRequests: requests for locks that make no sense.
func TestLockRequests(t *testing.T) {
	b := newBench(t, Options{})
	x := b.begin(&pb.StartTransactionRequest{})
	is(t, "negative", x.lock("k", -1), typeErrored)
	r := x.lockRequest("k", 0, 5)
	r.TransactionIdNode, r.TransactionIdPhysical, r.TransactionIdCounter = 0, 0, 0
	is(t, "without a transaction", b.LockPoint(b.ctx, r), typeErrored)
	is(t, "empty key", x.lock("", 0), typeInvalid)
	is(t, "empty prefix", x.lockPrefix(""), typeInvalid)
	is(t, "of an unknown transaction", b.UnlockPrefix(b.ctx, &pb.TryReleaseExclusivePrefixLockRequest{TransactionIdPhysical: 5, PrefixKey: "a", Durability: persistent}), pb.KvType_KV_TYPE_UNLOCKED)
}

// TestLease: a lock ends by itself; a transaction whose lease is over commits only
// what nobody has changed.
func TestLease(t *testing.T) {
	b := newBench(t, Options{Patience: time.Minute})
	b.set("k", "0")
	x, y := b.begin(&pb.StartTransactionRequest{}), b.begin(&pb.StartTransactionRequest{})
	is(t, "lock", x.lock("k", 1), tLocked)
	is(t, "get", x.get("k"), typeGet)
	is(t, "the lock of another, when the lease is over", y.lock("k", 60_000), tLocked)
	is(t, "set", y.set("k", "1"), tSet)
	is(t, "commit", y.commit(), tCommit)
	is(t, "write of what was read before", x.set("k", "2"), typeAborted)
	is(t, "commit", x.commit(), typeAborted)
	if a := b.get("k"); string(a.Value) != "1" {
		t.Error(a)
	}
}

// TestLateRollback is item 10: after the time-out a transaction still answers.
func TestLateRollback(t *testing.T) {
	b := newBench(t, Options{})
	x := b.begin(&pb.StartTransactionRequest{Timeout: 1})
	is(t, "set", x.set("k", "v"), tSet)
	time.Sleep(100 * time.Millisecond) // longer than the time-out is the point
	is(t, "another's write, for the lease is over", b.set("j", "v"), tSet)
	is(t, "set", x.set("j2", "v"), tSet)
	is(t, "rollback", x.rollback(), tRolled)
	y := b.begin(&pb.StartTransactionRequest{Timeout: 1})
	is(t, "set", y.set("k", "v"), tSet)
	time.Sleep(10 * time.Millisecond)
	is(t, "commit", y.commit(), tCommit)
	is(t, "get", b.get("k"), typeGet)
}

// TestSerializable: transactions that read and write the same keys without locks,
// as other clients may, lose no update.
func TestSerializable(t *testing.T) {
	b := newBench(t, Options{})
	const clients, rounds = 4, 25
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for n := 0; n < rounds; {
				x := b.begin(&pb.StartTransactionRequest{LockingType: pb.Locking(c % 2)})
				ok := true
				if c%2 == 0 { // as the client does, pessimistic
					ok = x.lock("count", 60_000).Type == tLocked
				}
				if ok {
					v, _ := x.read("count")
					ok = x.set("count", fmt.Sprint(v+1)).Type == tSet && x.commit().Type == tCommit
				}
				if ok {
					n++
				} else {
					x.rollback()
				}
			}
		})
	}
	all.Wait()
	if a := b.get("count"); string(a.Value) != fmt.Sprint(clients*rounds) {
		t.Errorf("%s of %d updates are there", a.Value, clients*rounds)
	}
}

func (x *testTx) read(key string) (n int, kind pb.KvType) {
	a := x.get(key)
	_, _ = fmt.Sscan(string(a.Value), &n)
	return n, a.Type
}

// TestDurableDecision: a write to the ephemeral space aborts.
func TestDurableDecision(t *testing.T) {
	b := newBench(t, Options{})
	x := b.begin(&pb.StartTransactionRequest{DecisionDurability: 1})
	is(t, "set", x.set("k", "v"), tSet)
	r := x.setRequest("k", "v", 99)
	r.Durability = ephemeral
	is(t, "ephemeral set", b.Set(b.ctx, r), typeAborted)
	is(t, "commit", x.commit(), typeAborted)
	is(t, "get", b.get("k"), typeDoesNotExist)
}

// TestAdmission: too many transactions are refused, or wait for a place.
func TestAdmission(t *testing.T) {
	b := newBench(t, Options{Transactions: 1})
	x := b.begin(&pb.StartTransactionRequest{})
	a := b.Start(b.ctx, &pb.StartTransactionRequest{CoordinatorKey: "c", AdmissionWaitMs: 1})
	is(t, "start", a, pb.KvType_KV_TYPE_ADMISSION_REFUSED)
	started := make(chan *pb.StartTransactionResponse, 1)
	go func() {
		started <- b.Start(b.ctx, &pb.StartTransactionRequest{CoordinatorKey: "c", AdmissionWaitMs: 30_000})
	}()
	is(t, "rollback", x.rollback(), tRolled)
	is(t, "start", <-started, tSet)
}

// TestTooManyOperations: they end the transaction.
func TestTooManyOperations(t *testing.T) {
	b := newBench(t, Options{Operations: 3})
	x := b.begin(&pb.StartTransactionRequest{})
	for i := range 3 {
		is(t, "set", x.set("k", fmt.Sprint(i)), tSet)
	}
	is(t, "one more", x.set("k", "v"), typeAborted)
	is(t, "commit", x.commit(), typeAborted)
}

// TestRefuseScripts: with Refuse, of two scripts under way on one key exactly one
// is aborted.
func TestRefuseScripts(t *testing.T) {
	b := newBench(t, Options{Conflicts: Refuse})
	slow := make(chan *pb.TryExecuteTransactionScriptResponse, 1)
	go func() {
		slow <- b.script("begin (timeout=120000) set k 1 while is_null(get go as of current_time()) do sleep 1 end commit end")
	}()
	under := func() bool { // way
		b.locks.mu.Lock()
		defer b.locks.mu.Unlock()
		s := b.locks.points[point{persistent, "k"}]
		return s != nil && s.scripts == 1
	}
	for !under() {
		time.Sleep(time.Millisecond)
	}
	is(t, "the second", b.script("let v = get k set k concat(v, 1)"), typeAborted)
	is(t, "a set", b.set("k", "x"), typeMustRetry)
	x := b.begin(&pb.StartTransactionRequest{})
	is(t, "a lock", x.lock("k", 0), tAlready)
	is(t, "rollback", x.rollback(), tRolled)
	is(t, "on other keys", b.script("let v = 1 set j v"), tSet)
	is(t, "the end", b.set("go", "1"), tSet)
	is(t, "the first", <-slow, typeGet)
}

// slowCommit is a transaction that is not told at once that it is committed.
type slowCommit struct {
	kahuna.Tx
	meanwhile func()
}

func (t slowCommit) Commit(ctx context.Context) error {
	err := t.Tx.Commit(ctx)
	t.meanwhile()
	return err
}

// TestOperationsWhileCommitting: what comes while the store commits does not make
// a committed transaction an aborted one.
func TestOperationsWhileCommitting(t *testing.T) {
	b := newBench(t, Options{})
	x := b.begin(&pb.StartTransactionRequest{})
	is(t, "set", x.set("k", "v"), tSet)
	is(t, "get", x.get("k"), typeGet)
	again := x.op // a read is done again under its id
	s := b.sessions.find(x.id, coordinator)
	s.tx = slowCommit{s.tx, func() {
		is(t, "a get meanwhile", x.get("k"), typeAborted)
		x.op = again - 1
		is(t, "the get again", x.get("k"), typeAborted)
		s.end(abortedEnding, "its time is over")
	}}
	is(t, "commit", x.commit(), tCommit)
	is(t, "commit again", x.commit(), tCommit)
	is(t, "the key", b.get("k"), typeGet)
}
