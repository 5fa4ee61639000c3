package kahuna

import (
	"context"
	"testing"
)

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for i := 0; i < 3; i++ {
		res, err := db.Run(ctx, "set k to_int(get k) + 1; return get k", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", *res)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Run(ctx, "sleep 5 return get k", nil)
	if err != nil || res.Text() != "3" {
		t.Fatalf("%v %v", res, err)
	}
	if e, ok, err := db.Get(ctx, "k"); !ok || err != nil || e.Revision != 2 {
		t.Fatal(e, ok, err)
	}
}
