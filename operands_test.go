package kahuna

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestLongOperandsStall: operators that read long texts hold up nobody, and are
// stopped in time; so are keys that take long to compute, and long parameters of
// a request with an idempotency key.
func TestLongOperandsStall(t *testing.T) {
	ctx := context.Background()
	db := openTest(t, "", nil)
	if _, err := db.Set(ctx, "big", strings.Repeat("1", 16_000_000), nil); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]string{
		"equality": "let v = get big let n = 0 while n < 100000 do let n = n + 1 let q = v == 1 end return n",
		"in a row": "let v = get big return [" + strings.Repeat("v == 1, ", 3000) + "true]",
		"keys":     strings.Repeat("if false then get (to_str(len(replace(repeat('ab', 8000000), 'a', 'c')))) end ", 1000) + "while true do sleep 1 end",
		"switch":   "let v = get big while true do switch v case 1, 2, 3 then end end",
		"times":    "let v = get big while true do set k 1 cmp v end",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			ended := make(chan error, 1)
			go func() { _, err := db.Run(ctx, source, nil, nil); ended <- err }()
			for n := 0; ; n++ {
				select {
				case err := <-ended:
					if err == nil {
						t.Error("it ended by itself")
					}
					if n < 3 {
						t.Errorf("others got %d turns meanwhile", n)
					}
					return
				default:
				}
				if _, err := db.Set(context.Background(), "other", "v", nil); err != nil {
					t.Fatal(err)
				}
				if n > 1_000_000 {
					t.Fatal("it does not end")
				}
			}
		})
	}
	elems := make([]string, 100_000)
	for i := range elems {
		elems[i] = "0123456789"
	}
	start := time.Now()
	if _, err := db.Run(ctx, "return count(@a)", Params{"a": elems}, &RunOptions{IdempotencyKey: "k"}); err != nil {
		t.Error(err)
	}
	t.Logf("the request with a long parameter took %v", time.Since(start))
}
