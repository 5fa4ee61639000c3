package kv_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kahuna/internal/hlc"
	"kahuna/internal/kv"
	_ "kahuna/internal/seed" // fixed seeds
)

func genString(min int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.Byte(), min, 40).Draw(t, "bytes"))
	})
}

func genBatch(t *rapid.T) *kv.Batch {
	stamp := rapid.Custom(func(t *rapid.T) hlc.Timestamp { return hlc.Timestamp(rapid.Uint64().Draw(t, "time")) })
	b := &kv.Batch{Time: stamp.Draw(t, "time")}
	for range rapid.IntRange(0, 20).Draw(t, "ops") {
		op := kv.Op{
			Kind:  rapid.SampledFrom([]kv.OpKind{kv.Put, kv.Touch, kv.Purge, kv.Prune}).Draw(t, "kind"),
			Space: rapid.SampledFrom([]kv.Space{kv.Persistent, kv.Ephemeral}).Draw(t, "space"),
			Key:   genString(1).Draw(t, "key"),
		}
		switch op.Kind {
		case kv.Put:
			op.Row = kv.Row{
				Revision: rapid.Int64().Draw(t, "revision"),
				Prev:     rapid.Int64().Draw(t, "prev"),
				Modified: stamp.Draw(t, "modified"),
				NoRev:    rapid.Bool().Draw(t, "norev"),
				Deleted:  rapid.Bool().Draw(t, "deleted"),
			}
			if !op.Row.Deleted {
				op.Row.Value = genString(0).Draw(t, "value")
				op.Row.Expires = rapid.Int64().Draw(t, "expires")
			}
		case kv.Touch:
			op.Row.Revision = rapid.Int64().Draw(t, "revision")
			op.Row.Expires = rapid.Int64().Draw(t, "expires")
		case kv.Prune:
			op.Row.Revision = rapid.Int64().Draw(t, "revision")
		}
		b.Ops = append(b.Ops, op)
	}
	for range rapid.IntRange(0, 3).Draw(t, "results") {
		r := kv.StoredResult{
			Key:    genString(1).Draw(t, "result key"),
			Time:   stamp.Draw(t, "result time"),
			Result: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "result"),
		}
		copy(r.Request[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "request"))
		b.Results = append(b.Results, r)
	}
	if rapid.Bool().Draw(t, "forget") {
		b.Forget = kv.Period{From: stamp.Draw(t, "from"), To: stamp.Draw(t, "to")}
	}
	return b
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := genBatch(t)
		data := want.Encode()
		got, err := kv.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range data {
			data[i] = 0xee // Decode must have kept nothing of it
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

// Every proper prefix of an encoding is damaged, and says where.
func TestDecodeTruncated(t *testing.T) {
	b := &kv.Batch{
		Time: 77,
		Ops: []kv.Op{
			{Kind: kv.Put, Key: "a/b", Row: kv.Row{Value: "v", Revision: 3, Prev: 1, Modified: hlc.At(5), Expires: 9}},
			{Kind: kv.Touch, Key: "a/b", Row: kv.Row{Revision: 3, Expires: math.MaxInt64}},
			{Kind: kv.Purge, Key: "c"},
		},
		Results: []kv.StoredResult{{Key: "id", Time: hlc.At(5), Result: []byte("r")}},
	}
	data := b.Encode()
	for n := range data {
		var damaged *kv.DecodeError
		if got, err := kv.Decode(data[:n]); !errors.As(err, &damaged) {
			// What is cut between two records after the last operation is a
			// batch of its own; the layers below guard the length.
			if err == nil && len(got.Ops) == len(b.Ops) && len(got.Results) == 0 {
				continue
			}
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
	data[0] = 9
	if _, err := kv.Decode(data); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Fatalf("unknown version: %v", err)
	}
}

func TestEncodeSize(t *testing.T) {
	op := kv.Op{Kind: kv.Put, Key: "counter/1", Row: kv.Row{Value: "12345", Revision: 8, Prev: 7, Modified: hlc.At(1_790_000_000_000)}}
	batch := kv.Batch{Ops: []kv.Op{op}, Time: 9}
	n := len(batch.Encode())
	for range 63 {
		batch.Ops = append(batch.Ops, op)
	}
	// All but the first operation of a script cost little more than key and
	// value.
	if extra := len(batch.Encode()) - n - 63*(len(op.Key)+len(op.Row.Value)); extra > 63*8 {
		t.Fatalf("%d bytes around key and value", extra/63)
	}
	if size := len(batch.Encode()); size > 64*op.Size() {
		t.Fatalf("%d bytes, Size says %d", size, 64*op.Size())
	}
	if n := testing.AllocsPerRun(100, func() { batch.Encode() }); n != 1 {
		t.Fatalf("%v allocations", n)
	}
	empty, err := kv.Decode((&kv.Batch{}).Encode())
	if err != nil || !reflect.DeepEqual(empty, &kv.Batch{}) {
		t.Fatalf("empty batch: %+v, %v", empty, err)
	}
}

func FuzzDecodeBatch(f *testing.F) {
	f.Add((&kv.Batch{}).Encode())
	f.Add((&kv.Batch{
		Time: hlc.At(1000),
		Ops: []kv.Op{
			{Kind: kv.Put, Key: "k", Row: kv.Row{Value: "v", Revision: 1, Prev: 0, Modified: hlc.At(1000), NoRev: true}},
			{Kind: kv.Put, Key: "k", Row: kv.Row{Revision: 2, Prev: 1, Modified: hlc.At(1000), Deleted: true}},
			{Kind: kv.Touch, Key: "é/", Row: kv.Row{Expires: 7}},
			{Kind: kv.Purge, Key: "k"},
			{Kind: kv.Prune, Space: kv.Ephemeral, Key: "k", Row: kv.Row{Revision: 1}},
		},
		Results: []kv.StoredResult{{Key: "id", Time: 3, Result: []byte("ok")}},
		Forget:  kv.Period{From: 1, To: 2},
	}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := kv.Decode(data)
		if err != nil {
			return
		}
		if len(b.Ops)*3 > len(data) {
			t.Fatalf("%d operations from %d bytes", len(b.Ops), len(data))
		}
		again, err := kv.Decode(b.Encode())
		if err != nil {
			t.Fatalf("own encoding: %v", err)
		}
		if !reflect.DeepEqual(b, again) {
			t.Fatalf("first  %+v\nsecond %+v", b, again)
		}
	})
}

func batch64() *kv.Batch {
	var batch kv.Batch
	for range 64 {
		batch.Ops = append(batch.Ops, kv.Op{Kind: kv.Put, Key: "counter/1", Row: kv.Row{Value: "12345", Revision: 8, Prev: 7, Modified: hlc.At(1_790_000_000_000)}})
	}
	return &batch
}

func BenchmarkEncode64(b *testing.B) {
	batch := batch64()
	b.SetBytes(int64(len(batch.Encode())))
	b.ReportAllocs()
	for b.Loop() {
		batch.Encode()
	}
}

func BenchmarkDecode64(b *testing.B) {
	data := batch64().Encode()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kv.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
