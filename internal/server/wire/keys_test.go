package wire

import (
	"fmt"
	"strings"
	"testing"
	"time"

	pb "kahuna/internal/wirepb"
)

// TestRevisions is item 5 of the checklist.
func TestRevisions(t *testing.T) {
	b := newBench(t, Options{})
	miss := func(key string) int64 {
		a := b.Set(b.ctx, &pb.TrySetKeyValueRequest{Key: key, Value: []byte("x"), Flags: pb.Flags_FLAGS_IF_EXISTS, Durability: persistent})
		is(t, "conditional set of "+key, a, tNotSet)
		return a.Revision
	}
	if got := miss("fresh"); got != -1 {
		t.Errorf("a conditional miss of a fresh key reports %d", got)
	}
	for i, step := range []struct {
		what string
		do   func() (pb.KvType, int64)
		kind pb.KvType
		rev  int64
	}{
		{"set", func() (pb.KvType, int64) { a := b.set("k", "0"); return a.Type, a.Revision }, tSet, 0},
		{"set", func() (pb.KvType, int64) { a := b.set("k", "1"); return a.Type, a.Revision }, tSet, 1},
		{"delete", func() (pb.KvType, int64) { a := b.del("k"); return a.Type, a.Revision }, tDeleted, 2},
		{"get", func() (pb.KvType, int64) { a := b.get("k"); return a.Type, a.Revision }, typeDoesNotExist, 0},
		{"conditional set", func() (pb.KvType, int64) { return tNotSet, miss("k") }, tNotSet, 2},
		{"delete again", func() (pb.KvType, int64) { a := b.del("k"); return a.Type, a.Revision }, typeDoesNotExist, 2},
		{"extend", func() (pb.KvType, int64) {
			a := b.Extend(b.ctx, &pb.TryExtendKeyValueRequest{Key: "k", ExpiresMs: 5, Durability: persistent})
			return a.Type, a.Revision
		}, typeDoesNotExist, 2},
		{"set", func() (pb.KvType, int64) { a := b.set("k", "3"); return a.Type, a.Revision }, tSet, 3},
	} {
		if kind, rev := step.do(); kind != step.kind || rev != step.rev {
			t.Errorf("step %d, %s: %v %d, want %v %d", i, step.what, kind, rev, step.kind, step.rev)
		}
	}
	if a := b.del("never"); a.Type != typeDoesNotExist || a.Revision != 0 {
		t.Error("delete of a key that never existed:", a)
	}
}

// TestRevisionZero is trap 10: 0 is the first version, -1 the current one.
func TestRevisionZero(t *testing.T) {
	b := newBench(t, Options{})
	b.set("k", "first")
	b.set("k", "second")
	at := func(rev int64) string {
		a := b.Get(b.ctx, &pb.TryGetKeyValueRequest{Key: "k", Revision: rev, Durability: persistent})
		return fmt.Sprint(a.Type, " ", string(a.Value), " ", a.Revision)
	}
	for rev, want := range map[int64]string{0: "KV_TYPE_GET first 0", 1: "KV_TYPE_GET second 1", -1: "KV_TYPE_GET second 1", 2: "KV_TYPE_DOES_NOT_EXIST  0", -2: "KV_TYPE_INVALID_INPUT  0"} {
		if got := at(rev); got != want {
			t.Errorf("at %d: %s, want %s", rev, got, want)
		}
	}
	b.del("k")
	if got := at(2); got != "KV_TYPE_DOES_NOT_EXIST  0" {
		t.Error("a tombstone:", got)
	}
	if a := b.Exists(b.ctx, &pb.TryExistsKeyValueRequest{Key: "k", Revision: 1, Durability: persistent}); a.Type != pb.KvType_KV_TYPE_EXISTS || a.Revision != 1 {
		t.Error("exists at 1:", a)
	}
}

// TestMissRevisions is trap 11: get 0, a failed condition -1 or the tombstone's,
// a script's get -1.
func TestMissRevisions(t *testing.T) {
	b := newBench(t, Options{})
	if a := b.get("none"); a.Type != typeDoesNotExist || a.Revision != 0 || a.Value != nil || a.LastModifiedPhysical != 0 {
		t.Error("get:", a)
	}
	if a := b.script("get none"); a.Type != typeDoesNotExist || len(a.Values) != 1 || a.Values[0].Revision != -1 || a.Values[0].Value != nil {
		t.Error("script:", a)
	}
	if a := b.Exists(b.ctx, &pb.TryExistsKeyValueRequest{Key: "none", Revision: -1, Durability: persistent}); a.Type != typeDoesNotExist || a.Revision != 0 {
		t.Error("exists:", a)
	}
}

// TestFlags is item 6: flags are a conjunction, whatever number they add up to.
func TestFlags(t *testing.T) {
	const (
		noRev, xx, nx, eq, eqRev = pb.Flags_FLAGS_NO_REVISION, pb.Flags_FLAGS_IF_EXISTS, pb.Flags_FLAGS_IF_NOT_EXISTS, pb.Flags_FLAGS_IF_EQUAL_TO_VALUE, pb.Flags_FLAGS_IF_EQUAL_TO_REVISION
	)
	for _, tt := range []struct {
		state   string // fresh, live (value v at 1), empty (no bytes at 0), dead (tombstone at 2)
		flags   pb.Flags
		compare string
		rev     int64
		want    int64 // the revision when set, else -100 and less: NotSet at -(want+100)-1
	}{
		{"fresh", 0, "", 0, 0}, {"fresh", 1, "", 0, 0}, {"fresh", 64 | 128, "", 0, 0},
		{"fresh", noRev | nx, "", 0, 0}, {"live", noRev | nx, "", 0, -102}, {"dead", noRev | nx, "", 0, 3}, // 10
		{"fresh", xx | eq, "", 0, -100}, {"live", xx | eq, "v", 0, 2}, {"live", xx | eq, "w", 0, -102}, {"empty", xx | eq, "", 0, 1}, // 20
		{"live", eq | eqRev, "v", 1, 2}, {"live", eq | eqRev, "v", 0, -102}, {"live", eq | eqRev, "w", 1, -102}, // 48
		{"fresh", eq | eqRev, "", -1, 0}, {"dead", eq | eqRev, "", 2, 3}, {"dead", eq | eqRev, "", -1, -103}, {"empty", eq | eqRev, "", 0, 1},
		{"fresh", eq, "", 0, 0}, {"fresh", eq, "x", 0, -100}, {"dead", eq, "", 0, 3}, {"live", eq, "", 0, -102},
		{"fresh", eqRev, "", -1, 0}, {"fresh", eqRev, "", 0, -100}, {"live", eqRev, "", -1, -102}, {"dead", eqRev, "", 2, 3}, {"dead", eqRev, "", -1, -103},
		{"dead", eqRev, "", 1, -103}, {"live", eqRev, "", -7, -102},
		{"fresh", xx | nx, "", 0, -100}, {"live", xx | nx, "", 0, -102}, {"live", xx | nx | eq, "v", 0, -102}, {"dead", xx | nx, "", 0, -103},
		{"fresh", nx | eqRev | noRev, "", -1, 0}, {"live", xx | eqRev, "", 1, 2},
	} {
		for _, where := range []string{"plain", "transaction", "ephemeral"} {
			b := newBench(t, Options{})
			d := persistent
			if where == "ephemeral" {
				d = ephemeral
			}
			put := func(v string) {
				is(t, "set", b.Set(b.ctx, &pb.TrySetKeyValueRequest{Key: "k", Value: []byte(v), Durability: d}), tSet)
			}
			switch tt.state {
			case "live":
				put("u")
				put("v")
			case "empty":
				put("")
			case "dead":
				put("u")
				put("v")
				b.Delete(b.ctx, &pb.TryDeleteKeyValueRequest{Key: "k", Durability: d})
			}
			r := &pb.TrySetKeyValueRequest{Key: "k", Value: []byte("new"), Flags: tt.flags, CompareValue: []byte(tt.compare), CompareRevision: tt.rev, Durability: d}
			if where == "transaction" {
				x := b.begin(&pb.StartTransactionRequest{})
				q := x.setRequest("k", "new", x.next())
				q.Flags, q.CompareValue, q.CompareRevision = r.Flags, r.CompareValue, r.CompareRevision
				r = q
			}
			a := b.Set(b.ctx, r)
			kind, rev := tSet, tt.want
			if tt.want <= -100 {
				kind, rev = tNotSet, -(tt.want+100)-1
			}
			if a.Type != kind || a.Revision != rev {
				t.Errorf("%s, %s, flags %d, compare %q, %d: %v %d, want %v %d (%v)", where, tt.state, tt.flags, tt.compare, tt.rev, a.Type, a.Revision, kind, rev, a.Detail)
			}
		}
	}
}

// TestExpiry: times to live, and their ends.
func TestExpiry(t *testing.T) {
	b := newBench(t, Options{})
	before := time.Now().UnixMilli()
	b.Set(b.ctx, &pb.TrySetKeyValueRequest{Key: "k", Value: []byte("v"), ExpiresMs: 60_000, Durability: persistent})
	if a := b.get("k"); a.ExpiresPhysical < before+60_000 || a.ExpiresPhysical > time.Now().UnixMilli()+60_000 {
		t.Error("expires:", a)
	}
	b.set("k", "w")
	if a := b.get("k"); a.ExpiresPhysical != 0 {
		t.Error("a set without expiry keeps the old one:", a)
	}
	extend := func(ms int32) *pb.TryExtendKeyValueResponse {
		return b.Extend(b.ctx, &pb.TryExtendKeyValueRequest{Key: "k", ExpiresMs: ms, Durability: persistent})
	}
	if a := extend(60_000); a.Type != pb.KvType_KV_TYPE_EXTENDED || a.Revision != 1 {
		t.Error("extend:", a)
	}
	is(t, "a negative extend", extend(-1), typeInvalid)
	is(t, "extend to now", extend(0), pb.KvType_KV_TYPE_EXTENDED)
	is(t, "get", b.get("k"), typeDoesNotExist)
	is(t, "a negative set", b.Set(b.ctx, &pb.TrySetKeyValueRequest{Key: "k", ExpiresMs: -1, Durability: persistent}), typeInvalid)
}

// TestReadTimestamp: reads of the past, to the timestamp.
func TestReadTimestamp(t *testing.T) {
	b := newBench(t, Options{})
	first := b.set("b/k", "one")
	for time.Now().UnixMilli() <= first.LastModifiedPhysical {
		time.Sleep(time.Millisecond)
	}
	b.set("b/k", "two")
	at := func(ms int64) string {
		a := b.Get(b.ctx, &pb.TryGetKeyValueRequest{Key: "b/k", Revision: -1, ReadTimestampPhysical: ms, ReadTimestampCounter: 1<<32 - 1, Durability: persistent})
		return string(a.Value)
	}
	if at(first.LastModifiedPhysical) != "one" || at(first.LastModifiedPhysical-1) != "" || at(1<<50) != "two" {
		t.Errorf("%q %q %q", at(first.LastModifiedPhysical), at(first.LastModifiedPhysical-1), at(1<<50))
	}
	scan := b.Scan(b.ctx, &pb.ScanAllByPrefixRequest{PrefixKey: "b", ReadTimestampPhysical: first.LastModifiedPhysical, Durability: persistent})
	bucket := b.Bucket(b.ctx, &pb.GetByBucketRequest{PrefixKey: "b", ReadTimestampPhysical: first.LastModifiedPhysical, Durability: persistent})
	rows := b.Range(b.ctx, &pb.GetByRangeRequest{Prefix: "b", ReadTimestampPhysical: first.LastModifiedPhysical, Durability: persistent})
	if string(scan.Items[0].Value) != "one" || string(bucket.Items[0].Value) != "one" || string(rows.Items[0].Value) != "one" {
		t.Error(scan, bucket, rows)
	}
	x := b.begin(&pb.StartTransactionRequest{ReadTimestampPhysical: first.LastModifiedPhysical, ReadTimestampCounter: 7})
	if a := x.get("b/k"); string(a.Value) != "one" {
		t.Error("a transaction as of the first:", a)
	}
	if a := x.bucket("b"); len(a.Items) != 1 || string(a.Items[0].Value) != "one" {
		t.Error("its bucket:", a)
	}
	is(t, "commit", x.commit(), tCommit)
	a := b.Start(b.ctx, &pb.StartTransactionRequest{CoordinatorKey: "c", ReadTimestampPhysical: 5, ReadValidation: 1})
	is(t, "start with a time and validation", a, typeInvalid)
}

// TestMany: the answers of calls on several keys.
func TestMany(t *testing.T) {
	b := newBench(t, Options{})
	types := func(items []*pb.TrySetManyKeyValueResponseItem) (out []string) {
		for _, it := range items {
			out = append(out, fmt.Sprint(it.Key, " ", it.Type, " ", it.Revision, " ", it.Durability))
		}
		return out
	}
	item := func(key string, flags pb.Flags) *pb.TrySetManyKeyValueRequestItem {
		return &pb.TrySetManyKeyValueRequestItem{Key: key, Value: []byte(key), Flags: flags, Durability: persistent}
	}
	got := types(b.SetMany(b.ctx, &pb.TrySetManyKeyValueRequest{Items: []*pb.TrySetManyKeyValueRequestItem{item("b", 0), item("a", 0), item("a", 0), item("b", 8)}}).Items)
	if want := "b KV_TYPE_SET 0 DURABILITY_PERSISTENT, a KV_TYPE_SET 0 DURABILITY_PERSISTENT, a KV_TYPE_SET 1 DURABILITY_PERSISTENT, b KV_TYPE_NOT_SET 0 DURABILITY_PERSISTENT"; strings.Join(got, ", ") != want {
		t.Errorf("%q", got)
	}
	if a := b.SetMany(b.ctx, &pb.TrySetManyKeyValueRequest{}); len(a.Items) != 0 {
		t.Error("no items:", a)
	}
	if a := b.SetMany(b.ctx, &pb.TrySetManyKeyValueRequest{Items: []*pb.TrySetManyKeyValueRequestItem{item("x", 0), item("", 0)}}); len(a.Items) != 1 || a.Items[0].Type != typeInvalid {
		t.Error("an empty key:", a)
	}
	for _, bad := range []*pb.TrySetManyKeyValueRequestItem{{Key: "y", TransactionIdPhysical: 5, Durability: persistent}, item("__kahuna:x", 0)} {
		a := b.SetMany(b.ctx, &pb.TrySetManyKeyValueRequest{Items: []*pb.TrySetManyKeyValueRequestItem{item("x", 0), bad}})
		if len(a.Items) != 2 || a.Items[0].Type != typeInvalid || a.Items[1].Type != typeInvalid {
			t.Error(bad, a)
		}
	}
	is(t, "get of what was refused", b.get("x"), typeDoesNotExist)

	read := []*pb.TryManyValuesRequestItem{{Key: "b", Revision: -1, Durability: persistent}, {Key: "none", Revision: -1, Durability: persistent}, {Key: "a", Durability: persistent}}
	g := b.GetMany(b.ctx, &pb.TryGetManyValuesRequest{Items: read})
	if len(g.Items) != 3 || g.Items[0].Type != typeGet || g.Items[1].Type != typeDoesNotExist || g.Items[2].Revision != 0 || string(g.Items[2].Value) != "a" {
		t.Error(g)
	}
	e := b.ExistsMany(b.ctx, &pb.TryExistsManyValuesRequest{Items: read})
	if len(e.Items) != 3 || e.Items[0].Type != pb.KvType_KV_TYPE_EXISTS || e.Items[1].Type != typeDoesNotExist {
		t.Error(e)
	}
	if a := b.GetMany(b.ctx, &pb.TryGetManyValuesRequest{}); len(a.Items) != 1 || a.Items[0].Type != typeInvalid || a.Items[0].Key != "" {
		t.Error("no items:", a)
	}
	if a := b.ExistsMany(b.ctx, &pb.TryExistsManyValuesRequest{Items: []*pb.TryManyValuesRequestItem{{Key: "a"}, {}}}); len(a.Items) != 1 || a.Items[0].Type != typeInvalid {
		t.Error("an empty key:", a)
	}
	if a := b.GetMany(b.ctx, &pb.TryGetManyValuesRequest{Items: read, TransactionIdPhysical: 5}); len(a.Items) != 3 || a.Items[0].Type != typeInvalid {
		t.Error("of a transaction:", a)
	}

	d := b.DeleteMany(b.ctx, &pb.TryDeleteManyKeyValueRequest{Items: []*pb.TryDeleteManyKeyValueRequestItem{{Key: "a", Durability: persistent}, {}, {Key: "none", Durability: persistent}}})
	if len(d.Items) != 3 || d.Items[0].Type != tDeleted || d.Items[0].Revision != 2 || d.Items[1].Type != typeInvalid || d.Items[2].Type != typeDoesNotExist {
		t.Error(d)
	}
	d = b.DeleteMany(b.ctx, &pb.TryDeleteManyKeyValueRequest{Items: []*pb.TryDeleteManyKeyValueRequestItem{{Key: "b", TransactionIdPhysical: 5, Durability: persistent}, {Key: "c"}}})
	if len(d.Items) != 2 || d.Items[0].Type != typeInvalid || d.Items[1].Type != typeInvalid {
		t.Error("without a name of the operation:", d)
	}
	x := b.begin(&pb.StartTransactionRequest{})
	key := coordinator
	high, low := uint64(0), uint64(900)
	all := &pb.TryDeleteManyKeyValueRequest{CoordinatorKey: &key, OperationIdHigh: &high, OperationIdLow: &low}
	for _, k := range []string{"b", "none"} {
		all.Items = append(all.Items, &pb.TryDeleteManyKeyValueRequestItem{TransactionIdNode: x.id.node, TransactionIdPhysical: x.id.physical, TransactionIdCounter: x.id.counter, Key: k, Durability: persistent})
	}
	for range 2 {
		if d := b.DeleteMany(b.ctx, all); d.Items[0].Type != tDeleted || d.Items[0].Revision != 1 || d.Items[1].Type != typeDoesNotExist {
			t.Error("inside:", d)
		}
	}
	is(t, "before commit", b.get("b"), typeGet)
	is(t, "commit", x.commit(), tCommit)
	is(t, "after commit", b.get("b"), typeDoesNotExist)
}

// TestBuckets: buckets, scans and ranges: order, bounds, what is hidden.
func TestBuckets(t *testing.T) {
	b := newBench(t, Options{})
	for _, k := range []string{"s/b", "s/a", "s/eu/x", "s", "s-old/a", "t", "s/\xf0\x90\x80\x80"} {
		is(t, k, b.set(k, k), tSet)
	}
	keys := func(items []*pb.KeyValueByPrefixItemResponse) string {
		var out []string
		for _, it := range items {
			out = append(out, it.Key)
		}
		return strings.Join(out, " ")
	}
	bucket := b.Bucket(b.ctx, &pb.GetByBucketRequest{PrefixKey: "s", Durability: persistent})
	if got := keys(bucket.Items); got != "s/a s/b s/\U00010000" {
		t.Error("bucket:", got)
	}
	scan := b.Scan(b.ctx, &pb.ScanAllByPrefixRequest{PrefixKey: "s", Durability: persistent})
	if got := keys(scan.Items); got != "s s-old/a s/a s/b s/eu/x s/\U00010000" {
		t.Error("scan:", got)
	}
	is(t, "nothing", b.Bucket(b.ctx, &pb.GetByBucketRequest{PrefixKey: "none", Durability: persistent}), typeGet)
	is(t, "nothing", b.Scan(b.ctx, &pb.ScanAllByPrefixRequest{PrefixKey: "none", Durability: persistent}), typeGet)
	is(t, "empty bucket", b.Bucket(b.ctx, &pb.GetByBucketRequest{Durability: persistent}), typeInvalid)
	is(t, "empty scan", b.Scan(b.ctx, &pb.ScanAllByPrefixRequest{Durability: persistent}), typeInvalid)
	text := func(s string) *string { return &s }
	for _, tt := range []struct {
		r    *pb.GetByRangeRequest
		want string
		more bool
	}{
		{&pb.GetByRangeRequest{Prefix: "s/", StartKey: text("s/a"), StartInclusive: true, EndKey: text("s/eu/x")}, "s/a s/b", false},
		{&pb.GetByRangeRequest{Prefix: "s/", StartKey: text("s/a"), EndKey: text("s/eu/x"), EndInclusive: true}, "s/b s/eu/x", false},
		{&pb.GetByRangeRequest{Prefix: "s", StartInclusive: true, EndInclusive: true, Limit: 2}, "s s-old/a", true},
		{&pb.GetByRangeRequest{Prefix: "s", Limit: 1<<31 - 1}, "s s-old/a s/a s/b s/eu/x s/\U00010000", false},
		{&pb.GetByRangeRequest{Prefix: "s", Limit: 6}, "s s-old/a s/a s/b s/eu/x s/\U00010000", false},
		{&pb.GetByRangeRequest{Prefix: "s/", StartKey: text("s/b"), EndKey: text("s/a")}, "", false},
		{&pb.GetByRangeRequest{Prefix: "s/", StartKey: text("a"), EndKey: text("z")}, "s/a s/b s/eu/x s/\U00010000", false},
	} {
		tt.r.Durability = persistent
		a := b.Range(b.ctx, tt.r)
		if got := keys(a.Items); got != tt.want || a.HasMore != tt.more || (a.NextCursor != nil) != tt.more || a.Type != typeGet {
			t.Errorf("%v: %q %v", tt.r, got, a.HasMore)
		}
	}
	is(t, "no prefix", b.Range(b.ctx, &pb.GetByRangeRequest{Durability: persistent}), typeInvalid)
	pages := 0
	var all []*pb.KeyValueByPrefixItemResponse
	if err := b.Stream(b.ctx, &pb.GetByRangeRequest{Prefix: "s", Limit: 2, Durability: persistent}, func(p *pb.GetByRangePageResponse) error {
		if pages++; pages == 1 {
			b.del("s/b")
			b.set("s/c", "new")
		}
		all = append(all, p.Items...)
		return nil
	}); err != nil || pages != 3 || keys(all) != "s s-old/a s/a s/b s/eu/x s/\U00010000" {
		t.Error("stream:", pages, keys(all), err)
	}
	if err := b.Stream(b.ctx, &pb.GetByRangeRequest{}, func(*pb.GetByRangePageResponse) error { t.Error("a page"); return nil }); err != nil {
		t.Error(err)
	}
}

// TestTooMany: a bucket and a scan have a bound, and say so beyond it.
func TestTooMany(t *testing.T) {
	b := newBench(t, Options{})
	is(t, "fill", b.script("for i in 0..4095 do set (concat(\"b/\", i)) 1 end"), tSet)
	bucket := func() *pb.GetByBucketResponse {
		return b.Bucket(b.ctx, &pb.GetByBucketRequest{PrefixKey: "b", Durability: persistent})
	}
	if a := bucket(); a.Type != typeGet || len(a.Items) != 4096 {
		t.Error(a.Type, len(a.Items))
	}
	b.set("b/one", "more")
	if a := bucket(); a.Type != typeErrored || !strings.Contains(a.Detail.Message, "4096") {
		t.Error(a.Type, a.Detail)
	}
	is(t, "scan", b.Scan(b.ctx, &pb.ScanAllByPrefixRequest{PrefixKey: "b", Durability: persistent}), typeErrored)
	n := 0
	if err := b.Stream(b.ctx, &pb.GetByRangeRequest{Prefix: "b", Durability: persistent}, func(p *pb.GetByRangePageResponse) error { n += len(p.Items); return nil }); err != nil || n != 4097 {
		t.Error(n, err)
	}
}

// TestScripts: what a script answers over the wire.
func TestScripts(t *testing.T) {
	b := newBench(t, Options{})
	b.set("k", "v")
	for _, tt := range []struct {
		source string
		want   string
	}{
		{"set a 1", "KV_TYPE_SET a - 0"}, {"set a 2 nx", "KV_TYPE_NOT_SET a - 0"}, {"get k", "KV_TYPE_GET k v 0"}, {"extend k 60000", "KV_TYPE_EXTENDED k - 0"},
		{"extend none 1", "KV_TYPE_DOES_NOT_EXIST none - -1"}, {"exists k", "KV_TYPE_EXISTS k - 0"}, {"exists none", "KV_TYPE_DOES_NOT_EXIST none - -1"},
		{"delete a", "KV_TYPE_DELETED a - 1"}, {"delete a", "KV_TYPE_DOES_NOT_EXIST a - 1"}, {"get by bucket none", "KV_TYPE_DOES_NOT_EXIST"},
		{"return 1.5", "KV_TYPE_GET  1.5 -1"}, {"return true", "KV_TYPE_GET  true -1"}, {"return null", "KV_TYPE_GET  - -1"}, {"return \"\"", "KV_TYPE_GET   -1"},
		{"return [1, \"x\"]", "KV_TYPE_GET  1 -1 |  x -1"}, {"begin commit end", "KV_TYPE_COMMITTED"},
	} {
		a := b.script(tt.source)
		var rows []string
		for _, v := range a.Values {
			value := "-"
			if v.Value != nil {
				value = string(v.Value)
			}
			rows = append(rows, fmt.Sprint(v.Key, " ", value, " ", v.Revision))
		}
		if got := strings.TrimSuffix(fmt.Sprint(a.Type, " ", strings.Join(rows, " | ")), " "); got != tt.want || a.Detail.Outcome != pb.Outcome_OUTCOME_APPLIED || a.Reason != nil {
			t.Errorf("%s: %q, want %q (%v)", tt.source, got, tt.want, a)
		}
	}
	for _, tt := range []struct {
		source string
		kind   pb.KvType
		reason string
	}{
		{"set k", typeErrored, "Syntax error"}, {"throw \"no\", \"sold-out\"", typeErrored, "no at line 1"}, {"throw \"\"", typeErrored, ""},
		{"begin set k 1 rollback end", typeAborted, "rolled back"}, {"begin (timeout=1) sleep 5s commit end", typeAborted, "timed out after 1 ms"},
		{"return @missing", typeErrored, "missing"}, {"", typeInvalid, "script is missing"}, {"return \"\xff\"", typeErrored, "UTF-8"},
	} {
		a := b.script(tt.source)
		if a.Type != tt.kind || a.GetReason() == "" || !strings.Contains(a.GetReason(), tt.reason) || a.Detail.Outcome != pb.Outcome_OUTCOME_NOT_APPLIED || a.Detail.Code == "" {
			t.Errorf("%s: %v %q %v", tt.source, a.Type, a.GetReason(), a.Detail)
		}
	}
	if a := b.script("throw \"no\", \"sold-out\""); a.Detail.UserCode != "sold-out" || a.Detail.Line != 1 || a.Detail.Column == 0 {
		t.Error(a.Detail)
	}
	is(t, "named twice", b.script("return @a", "@a", "1", "a", "2"), typeInvalid)
	if a := b.Script(b.ctx, &pb.TryExecuteTransactionScriptRequest{Script: []byte("return concat(@a, \"!\")"), Parameters: []*pb.KeyValueParameter{{Key: "@a"}}}); string(a.Values[0].Value) != "!" {
		t.Error("an absent value:", a)
	}
	typed := `{"n": 3, "list": [1, 2.5, null]}`
	if a := b.Script(b.ctx, &pb.TryExecuteTransactionScriptRequest{Script: []byte("return type_of(@a.list[1])"), Parameters: []*pb.KeyValueParameter{{Key: "@a", Json: &typed}}}); string(a.Values[0].Value) != "float64" {
		t.Error("a typed value:", a)
	}
	hash := strings.Repeat("0", 64)
	if a := b.Script(b.ctx, &pb.TryExecuteTransactionScriptRequest{Script: []byte("return 2"), Hash: &hash}); string(a.Values[0].Value) != "2" {
		t.Error("a wrong hash:", a)
	}
	key := "once"
	for range 2 {
		a := b.Script(b.ctx, &pb.TryExecuteTransactionScriptRequest{Script: []byte("set n to_int(get n) + 1 return get n"), IdempotencyKey: &key})
		if string(a.Values[0].Value) != "1" {
			t.Error("sent again:", a)
		}
	}
}

// TestHolds: snapshot holds, whose timestamps come back bit for bit.
func TestHolds(t *testing.T) {
	b := newBench(t, Options{Holds: 2})
	floor := func() *pb.GetSnapshotFloorResponse { return b.Floor(b.ctx, &pb.GetSnapshotFloorRequest{}) }
	if a := floor(); a.Type != typeGet || a.LiveHolds != 0 || a.EffectiveFloorPhysical != 0 {
		t.Error(a)
	}
	acquire := func(holder string, node int32, physical int64, counter uint32, ms int32) *pb.AcquireSnapshotHoldResponse {
		return b.AcquireHold(b.ctx, &pb.AcquireSnapshotHoldRequest{HolderId: holder, TimestampNode: node, TimestampPhysical: physical, TimestampCounter: counter, LeaseMs: ms})
	}
	first := acquire("a", 7, 1<<62, 1<<32-1, 60_000)
	again := acquire("a", 7, 1<<62, 1<<32-1, 90_000)
	if first.Type != tSet || len(first.HoldId) != 32 || again.HoldId != first.HoldId || again.LeaseExpiryPhysical <= first.LeaseExpiryPhysical {
		t.Error(first, again)
	}
	second := acquire("a", 0, 1<<62, 1<<32-1, 60_000)
	if second.HoldId == first.HoldId {
		t.Error("another timestamp has the same hold")
	}
	if a := floor(); a.EffectiveFloorNode != 0 || a.EffectiveFloorPhysical != 1<<62 || a.EffectiveFloorCounter != 1<<32-1 || a.LiveHolds != 2 {
		t.Error(a)
	}
	is(t, "too many", acquire("b", 0, 5, 0, 60_000), typeErrored)
	is(t, "release", b.ReleaseHold(b.ctx, &pb.ReleaseSnapshotHoldRequest{HoldId: second.HoldId}), tDeleted)
	is(t, "release again", b.ReleaseHold(b.ctx, &pb.ReleaseSnapshotHoldRequest{HoldId: second.HoldId}), typeDoesNotExist)
	if a := floor(); a.EffectiveFloorNode != 7 || a.LiveHolds != 1 {
		t.Error(a)
	}
	if a := b.RenewHold(b.ctx, &pb.RenewSnapshotHoldRequest{HoldId: first.HoldId, LeaseMs: 1}); a.Type != tSet {
		t.Error(a)
	}
	for floor().LiveHolds != 0 { // the lease is over
		time.Sleep(time.Millisecond)
	}
	is(t, "renew what is over", b.RenewHold(b.ctx, &pb.RenewSnapshotHoldRequest{HoldId: first.HoldId, LeaseMs: 5}), typeDoesNotExist)
	is(t, "no lease", acquire("a", 0, 0, 0, 0), typeInvalid)
	is(t, "no holder", acquire("", 0, 0, 0, 5), typeInvalid)
	is(t, "renew without a lease", b.RenewHold(b.ctx, &pb.RenewSnapshotHoldRequest{HoldId: "x"}), typeInvalid)
}

// TestHoldsTellTheStore: the store keeps what the earliest hold is of.
func TestHoldsTellTheStore(t *testing.T) {
	told := make(chan time.Time, 10)
	s := &Service{opts: Options{Holds: 10}}
	s.holds.init(func(since time.Time) { told <- since })
	acquire := func(ms int64, lease int32) string {
		return s.AcquireHold(t.Context(), &pb.AcquireSnapshotHoldRequest{HolderId: "h", TimestampPhysical: ms, LeaseMs: lease}).HoldId
	}
	is := func(ms int64) {
		t.Helper()
		want := time.Time{}
		if ms > 0 {
			want = time.UnixMilli(ms)
		}
		if got := <-told; !got.Equal(want) {
			t.Errorf("told %v, want %v", got, want)
		}
	}
	acquire(2000, 60_000)
	is(2000)
	early := acquire(1000, 60_000)
	is(1000)
	s.ReleaseHold(t.Context(), &pb.ReleaseSnapshotHoldRequest{HoldId: early})
	is(2000)
	acquire(500, 1)
	is(500)
	is(2000) // when the lease is over, without a call
	s.holds.close()
	is(0)
}

// TestGetManyIsBounded: what one small request asks for is not gathered when no
// answer can have it.
func TestGetManyIsBounded(t *testing.T) {
	b := newBench(t, Options{})
	is(t, "set", b.set("k", strings.Repeat("x", 1<<20)), tSet)
	r := &pb.TryGetManyValuesRequest{}
	for range 1000 {
		r.Items = append(r.Items, &pb.TryManyValuesRequestItem{Key: "k", Revision: -1, Durability: persistent})
	}
	a := b.GetMany(b.ctx, r)
	if len(a.Items) != len(r.Items) || a.Items[0].Type != typeErrored || a.Items[0].Value != nil || !strings.Contains(a.Items[0].Detail.GetMessage(), "fewer keys") {
		t.Errorf("%d items, the first %v", len(a.Items), a.Items[0].Type)
	}
	r.Items = r.Items[:3]
	if a := b.GetMany(b.ctx, r); a.Items[2].Type != typeGet || len(a.Items[2].Value) != 1<<20 {
		t.Errorf("three of them: %v", a.Items[2].Type)
	}
}
