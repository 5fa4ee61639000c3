package backup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	_ "kahuna/internal/seed" // fixed seeds
)

type row struct{ key, value string }

var testHeader = Header{RowsFormat: 7, TakenMs: 1_790_000_000_000}

// write returns a stream.
func write(t testing.TB, rows []row, s Summary) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, testHeader)
	for i := 0; err == nil && i < len(rows); i++ {
		err = w.Add([]byte(rows[i].key), []byte(rows[i].value))
	}
	if err == nil {
		_, err = w.Close(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	if w.Bytes() != int64(b.Len()) {
		t.Fatalf("Bytes says %d, there are %d", w.Bytes(), b.Len())
	}
	return b.Bytes()
}

// read returns what is in a stream, as far as it can be read.
func read(r io.Reader) (rows []row, s Summary, err error) {
	br, err := NewReader(r)
	if err != nil {
		return nil, s, err
	}
	for {
		key, value, err := br.Next()
		if err != nil {
			if _, _, again := br.Next(); again != err {
				return rows, s, fmt.Errorf("%w, and then %w", err, again)
			}
			if err == io.EOF {
				return rows, br.Summary(), nil
			}
			return rows, s, err
		}
		rows = append(rows, row{string(key), string(value)})
	}
}

// small returns a stream with blocks of both codecs in it.
func small(t testing.TB) []byte {
	rows := make([]row, 0, 30)
	for i := range 20 {
		rows = append(rows, row{fmt.Sprintf("key/%03d", i), "some text, over and over"})
	}
	b := write(t, rows, Summary{Index: 9, Time: 8, Rows: 7, Versions: 6, Results: 5})
	var out bytes.Buffer
	w, err := NewWriter(&out, testHeader)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if i%7 == 0 {
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Add([]byte(r.key), []byte(r.value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Add([]byte("z"), []byte{7}); err != nil { // a block too short to pack
		t.Fatal(err)
	}
	if _, err := w.Close(Summary{Index: 9}); err != nil {
		t.Fatal(err)
	}
	if out.Len() <= len(b) {
		t.Fatal("not several blocks")
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.StringN(1, 20, -1), 0, 50, rapid.ID).Draw(t, "keys")
		slices.Sort(keys)
		var rows []row
		for _, k := range keys {
			value := string(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "value"))
			if rapid.IntRange(0, 20).Draw(t, "large") == 0 {
				value = strings.Repeat(value+"x", 10_000)
			}
			rows = append(rows, row{k, value})
		}
		want := Summary{Index: rapid.Uint64().Draw(t, "index"), Rows: rapid.Int64().Draw(t, "rows")}
		var b bytes.Buffer
		w, err := NewWriter(&b, testHeader)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if err := w.Add([]byte(r.key), []byte(r.value)); err != nil {
				t.Fatal(err)
			}
			want.Records++
			want.RawBytes += int64(len(r.key) + len(r.value))
		}
		if _, err := w.Close(want); err != nil {
			t.Fatal(err)
		}
		got, s, err := read(iotest.OneByteReader(&b))
		if err != nil || s != want || !reflect.DeepEqual(got, rows) {
			t.Fatalf("%d rows, %+v, %v; want %d, %+v", len(got), s, err, len(rows), want)
		}
	})
}

// TestLargeRows: a row larger than a block has one of its own, and what
// cannot be packed is stored as it is.
func TestLargeRows(t *testing.T) {
	noise := make([]byte, 3<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	rows := []row{{"a", "1"}, {"b", string(noise)}, {"c", strings.Repeat("y", 5<<20)}, {"d", "2"}}
	b := write(t, rows, Summary{})
	if len(b) < len(noise) || len(b) > len(noise)+1<<20 {
		t.Errorf("%d bytes", len(b))
	}
	got, _, err := read(bytes.NewReader(b))
	if err != nil || !reflect.DeepEqual(got, rows) {
		t.Fatalf("%d rows, %v", len(got), err)
	}
}

// TestInvariantBACKUP1: every change of a byte, every end, and everything behind
// the end is found, and nothing but what was written is handed out before.
func TestInvariantBACKUP1(t *testing.T) {
	good := small(t)
	rows, _, err := read(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	try := func(b []byte, format string, args ...any) {
		got, _, err := read(bytes.NewReader(b))
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf(format+": not found", args...)
		}
		if len(got) > len(rows) || !reflect.DeepEqual(got, append([]row(nil), rows[:len(got)]...)) {
			t.Errorf(format+": rows that were not written", args...)
		}
	}
	bad := bytes.Clone(good)
	for i := range good {
		for change := 1; change < 256; change++ {
			bad[i] = good[i] ^ byte(change)
			try(bad, "byte %d changed by %#x", i, change)
		}
		bad[i] = good[i]
	}
	for n := range good {
		try(good[:n], "cut at %d", n)
	}
	for _, more := range []string{"\x00", "more", string(good)} {
		try(append(bytes.Clone(good), more...), "%d bytes behind the end", len(more))
	}
}

// frames returns where the frames of a stream begin, and its length.
func frames(b []byte) (at []int) {
	for off := headerBytes; off < len(b); {
		at = append(at, off)
		off += frameBytes + int(binary.LittleEndian.Uint32(b[off+8:])) + sumBytes
	}
	return append(at, len(b))
}

// TestBlocksMoved: a block that is left out, repeated or moved is found, also
// when whoever moved it made the checksums right.
func TestBlocksMoved(t *testing.T) {
	good := small(t)
	at := frames(good)
	n := len(at) - 2 // blocks
	if n < 3 {
		t.Fatalf("%d blocks", n)
	}
	order := make([]int, 0, n+1)
	for _, o := range [][]int{{1, 2}, {0, 0, 1, 2}, {1, 0, 2}, {0, 1}, {}, {0, 1, 2, 2}} {
		order = order[:0]
		order = append(order, o...)
		for i := 3; i < n; i++ {
			order = append(order, i)
		}
		for _, repaired := range []bool{false, true} {
			b := bytes.Clone(good[:headerBytes])
			for _, i := range append(order, n) {
				frame := good[at[i]:at[i+1]]
				if repaired {
					body := frame[frameBytes : len(frame)-sumBytes]
					frame = appendFrame(nil, int64(len(b)), frame[0], frame[1], int(binary.LittleEndian.Uint32(frame[4:])), body)
				}
				b = append(b, frame...)
			}
			var damage *DamageError
			if _, _, err := read(bytes.NewReader(b)); !errors.As(err, &damage) {
				t.Errorf("blocks %v, repaired %v: %v", order, repaired, err)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	good := small(t)
	later := bytes.Clone(good)
	binary.LittleEndian.PutUint32(later[8:], Version+1)
	header := bytes.Clone(good)
	header[20]++
	at := frames(good)
	block := bytes.Clone(good)
	block[at[1]+frameBytes]++
	for _, tt := range []struct {
		name   string
		stream io.Reader
		want   string
	}{
		{"nothing", strings.NewReader(""), "this is no backup"},
		{"text", strings.NewReader("hello"), "this is no backup"},
		{"long text", strings.NewReader(strings.Repeat("hello", 20)), "this is no backup"},
		{"later version", bytes.NewReader(later), "the backup has format version 2, this program reads 1"},
		{"header", bytes.NewReader(header), "the backup is damaged at offset 0: wrong checksum of the header"},
		{"cut header", bytes.NewReader(good[:5]), "the backup is cut off at offset 5: its end is missing"},
		{"block", bytes.NewReader(block), fmt.Sprintf("the backup is damaged at offset %d: wrong checksum of a block", at[1])},
		{"cut", bytes.NewReader(good[:at[2]]), fmt.Sprintf("the backup is cut off at offset %d: its end is missing", at[2])},
		{"more", io.MultiReader(bytes.NewReader(good), strings.NewReader("x")),
			fmt.Sprintf("the backup is damaged at offset %d: something follows the end of the backup", len(good))},
		{"failing", io.MultiReader(bytes.NewReader(good[:at[1]]), iotest.ErrReader(errors.New("connection reset"))),
			fmt.Sprintf("reading the backup at offset %d: connection reset", at[1])},
		{"failing at the end", io.MultiReader(bytes.NewReader(good), iotest.ErrReader(errors.New("connection reset"))),
			fmt.Sprintf("reading the backup at offset %d: connection reset", len(good))},
	} {
		if _, _, err := read(tt.stream); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := NewWriter(io.Discard, testHeader)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"b", "c"} {
		if err := w.Add([]byte(key), nil); err != nil {
			t.Fatal(err)
		}
	}
	first := w.Add([]byte("c"), nil)
	if first == nil {
		t.Error("a key twice")
	}
	if err := w.Add([]byte("d"), nil); err != first {
		t.Errorf("not final: %v", err)
	}
	if _, err := w.Close(Summary{}); err != first {
		t.Errorf("closed: %v", err)
	}
}

// TestWriterFails: an error of the stream is returned as it is, wherever it
// strikes.
func TestWriterFails(t *testing.T) {
	full := errors.New("disk full")
	for n := range 4 {
		w, err := NewWriter(&failing{after: n, err: full}, testHeader)
		for i := 0; err == nil && i < 3; i++ {
			err = w.Add([]byte{'a', byte(i)}, make([]byte, blockBytes))
		}
		if err == nil {
			_, err = w.Close(Summary{})
		}
		if err != full {
			t.Errorf("after %d writes: %v", n, err)
		}
	}
}

type failing struct {
	after int
	err   error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// FuzzReader: whatever comes, reading ends, without a panic, and what it
// accepts it has checked. The input is a stream, and also the body of a block
// whose checksums are right.
func FuzzReader(f *testing.F) {
	good := small(f)
	f.Add(good, byte(codecNone), uint32(3))
	f.Add([]byte{1, 1, 'k', 'v'}, byte(codecNone), uint32(4))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x00, 0x21, 0x00, 0x00, 1, 1, 'k', 'v'}, byte(codecZstd), uint32(4))
	f.Fuzz(func(t *testing.T, b []byte, codec byte, raw uint32) {
		if _, _, err := read(bytes.NewReader(b)); err == nil && !bytes.Equal(b, good) {
			t.Fatal("accepted another stream")
		}
		// A long length that is a lie takes time, not more.
		raw %= 1 << 20
		forged := appendHeader(nil, testHeader)
		forged = appendFrame(forged, int64(len(forged)), kindBlock, codec, int(raw), b)
		if _, _, err := read(bytes.NewReader(forged)); err == nil {
			t.Fatal("accepted a stream without a trailer")
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	value := []byte(`{"sku":"1234-5678","stock":17,"reserved":3,"warehouse":"north"}`)
	b.SetBytes(int64(len(value) + 16))
	w, err := NewWriter(io.Discard, testHeader)
	if err != nil {
		b.Fatal(err)
	}
	key := make([]byte, 16)
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint64(key, uint64(i))
		if err := w.Add(key, value); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(w.sum.RawBytes)/float64(w.Bytes()), "ratio")
}
