package kahuna_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"kahuna"
)

var ctx = context.Background()

// memory opens the store of an example. The examples use what all stores have:
// with the client of a server here, they run there.
func memory() kahuna.Store {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	return db
}

// reserve is the program of the README, which a test compares with it, but for
// the directory.
func reserve() error {
	db, err := kahuna.Open("data", nil)
	if err != nil {
		return err
	}
	defer db.Close()

	res, err := db.Run(ctx, `
		let stock = to_int(get @item)
		if stock < @n then throw "sold out" end
		set @item stock - @n
		return stock - @n`,
		kahuna.Params{"item": "stock/sku-1", "n": 3},
		&kahuna.RunOptions{IdempotencyKey: "order-17"}) // sent twice, it takes effect once
	switch {
	case errors.Is(err, kahuna.ErrThrow):
		fmt.Println("the script refused:", err)
	case err != nil:
		return err
	default:
		fmt.Println("left:", res.Text())
	}

	for e, err := range db.Bucket(ctx, "stock", &kahuna.RangeOptions{Limit: 100}) {
		if err != nil {
			return err
		}
		fmt.Println(e.Key, e.Value, e.Revision)
	}
	return nil
}

func Example() {
	dir, err := os.MkdirTemp("", "kahuna")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	before, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(dir); err != nil {
		log.Fatal(err)
	}
	defer os.Chdir(before)

	fmt.Println(reserve()) // nothing in stock yet
	db, err := kahuna.Open("data", nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := db.Set(ctx, "stock/sku-1", "10", nil); err != nil {
		log.Fatal(err)
	}
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(reserve())
	fmt.Println(reserve()) // the same order again
	// Output:
	// the script refused: sold out at line 3
	// <nil>
	// left: 7
	// stock/sku-1 7 1
	// <nil>
	// left: 7
	// stock/sku-1 7 1
	// <nil>
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "kahuna")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	for range 2 { // the second time it is there already
		db, err := kahuna.Open(dir, &kahuna.Options{HistoryRevisions: 10})
		if err != nil {
			log.Fatal(err)
		}
		res, err := db.Run(ctx, "set starts to_int(get starts) + 1 return get starts", nil, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(res.Text(), res.Revision())
		if err := db.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 1 0
	// 2 1
}

func ExampleOpenMemory() {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	_, err = db.Run(ctx, "set greeting 'hello'", nil, nil)
	fmt.Println(err)
	// Output: <nil>
}

func ExampleDB_Run() {
	db := memory()
	defer db.Close()
	if _, err := db.Set(ctx, "stock/sku-1", "10", nil); err != nil {
		log.Fatal(err)
	}
	reserve := `
		let stock = to_int(get @item)
		if stock < @n then throw "sold out" end
		set @item stock - @n
		return stock - @n`
	for _, n := range []int{3, 8} {
		res, err := db.Run(ctx, reserve, kahuna.Params{"item": "stock/sku-1", "n": n}, nil)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(res.Text(), "left")
	}
	// Output:
	// 7 left
	// sold out at line 3
}

func ExampleDB_Run_result() {
	db := memory()
	defer db.Close()
	if _, err := db.Run(ctx, "set `svc/a` 1 ex 1m set `svc/b` 2", nil, nil); err != nil {
		log.Fatal(err)
	}
	res, err := db.Run(ctx, "get by bucket svc", nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Type, res.Outcome)
	for _, e := range res.Entries {
		fmt.Println(e.Key, e.Value, "revision", e.Revision, "expires", !e.Expires.IsZero())
	}
	// Output:
	// Get applied
	// svc/a 1 revision 0 expires true
	// svc/b 2 revision 0 expires false
}

func ExampleDB_Compile() {
	db := memory()
	defer db.Close()
	count, err := db.Compile("set @key to_int(get @key) + 1 return get @key")
	if err != nil {
		log.Fatal(err)
	}
	for _, page := range []string{"a", "b", "a"} {
		res, err := count.Run(ctx, kahuna.Params{"key": "hits/" + page}, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(page, res.Text())
	}
	// Output:
	// a 1
	// b 1
	// a 2
}

func ExampleError() {
	db := memory()
	defer db.Close()
	_, err := db.Run(ctx, "set a 1\nlet b = uper('x')", nil, nil)
	var e *kahuna.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Outcome, e.Line, e.Column)
		fmt.Println(e.Detail())
	}
	_, err = db.Run(ctx, "set a 1 throw 'no'", nil, nil)
	fmt.Println(errors.Is(err, kahuna.ErrThrow))
	// Output:
	// unknown_function not applied 2 9
	// error: unknown function 'uper'; did you mean 'upper'?
	//   2 | let b = uper('x')
	//     |         ^
	// true
}

func ExampleError_diagnostics() {
	db := memory()
	defer db.Close()
	_, err := db.Compile("let total = 1\nset sum totl + uper(2)")
	var e *kahuna.Error
	if !errors.As(err, &e) {
		log.Fatal(err)
	}
	for _, d := range e.Diagnostics {
		fmt.Printf("%d:%d %s: %s\n", d.Line, d.Column, d.Code, d.Text())
	}
	// Output:
	// 2:9 undefined_variable: undefined variable 'totl'; did you mean 'total'?
	// 2:16 unknown_function: unknown function 'uper'; did you mean 'upper'?
}

// The errors that a caller tells apart.
func ExampleError_is() {
	db := memory()
	for _, source := range []string{
		"throw 'no'", "set a 1 rollback", "while true do end", "begin (timeout=5ms) sleep 1m commit end",
	} {
		_, err := db.Run(ctx, source, nil, nil)
		switch {
		case errors.Is(err, kahuna.ErrThrow):
			fmt.Println("the script refused")
		case errors.Is(err, kahuna.ErrRollback):
			fmt.Println("undone on purpose")
		case errors.Is(err, kahuna.ErrLimit):
			fmt.Println("too much")
		case errors.Is(err, kahuna.ErrTimeout):
			fmt.Println("too long")
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, _, err := db.Get(canceled, "k")
	fmt.Println(errors.Is(err, context.Canceled))

	if err := db.Close(); err != nil {
		log.Fatal(err)
	}
	_, err = db.Run(ctx, "get k", nil, nil)
	fmt.Println(errors.Is(err, kahuna.ErrClosed))
	// Output:
	// the script refused
	// undone on purpose
	// too much
	// too long
	// true
	// true
}

func ExampleRunOptions_idempotencyKey() {
	db := memory()
	defer db.Close()
	for range 3 { // as a client that did not hear the answer would
		res, err := db.Run(ctx, "set orders to_int(get orders) + 1 return get orders", nil,
			&kahuna.RunOptions{IdempotencyKey: "order-17"})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(res.Text())
	}
	// Output:
	// 1
	// 1
	// 1
}

func ExampleRunOptions() {
	db := memory()
	defer db.Close()
	_, err := db.Run(ctx, "set a 1 sleep 1m", nil, &kahuna.RunOptions{Timeout: 10 * time.Millisecond})
	fmt.Println(err)
	_, found, _ := db.Get(ctx, "a")
	fmt.Println(found)
	// Output:
	// transaction timed out after 10 ms
	// false
}

func ExampleSpace_Set() {
	db := memory()
	defer db.Close()
	w, _ := db.Set(ctx, "leader", "node-a", &kahuna.SetOptions{NX: true, TTL: 10 * time.Second})
	fmt.Println(w.Done, w.Revision)
	w, _ = db.Set(ctx, "leader", "node-b", &kahuna.SetOptions{NX: true})
	fmt.Println(w.Done, w.Revision)
	rev := int64(0)
	w, _ = db.Set(ctx, "leader", "node-a", &kahuna.SetOptions{Revision: &rev, TTL: 10 * time.Second})
	fmt.Println(w.Done, w.Revision)
	// Output:
	// true 0
	// false 0
	// true 1
}

// Compare and set with what was read, also when nothing was there.
func ExampleSetOptions() {
	db := memory()
	defer db.Close()
	for range 2 {
		e, _, err := db.Get(ctx, "config")
		if err != nil {
			log.Fatal(err)
		}
		w, err := db.Set(ctx, "config", e.Value+"x", &kahuna.SetOptions{Revision: &e.Revision})
		fmt.Println(w.Done, w.Revision, err)
	}
	old := "not that"
	w, err := db.Set(ctx, "config", "y", &kahuna.SetOptions{Equals: &old})
	fmt.Println(w.Done, w.Revision, err)
	// Output:
	// true 0 <nil>
	// true 1 <nil>
	// false 1 <nil>
}

func ExampleSpace_Get() {
	db := memory()
	defer db.Close()
	if _, err := db.Set(ctx, "k", "v", nil); err != nil {
		log.Fatal(err)
	}
	e, ok, err := db.Get(ctx, "k")
	fmt.Println(e.Value, e.Revision, ok, err)
	there, err := db.Exists(ctx, "other")
	fmt.Println(there, err)
	// Output:
	// v 0 true <nil>
	// false <nil>
}

func ExampleSpace_Exists() {
	db := memory()
	defer db.Close()
	fmt.Println(db.Exists(ctx, "k"))
	// Output: false <nil>
}

func ExampleSpace_Delete() {
	db := memory()
	defer db.Close()
	if _, err := db.Set(ctx, "k", "v", nil); err != nil {
		log.Fatal(err)
	}
	for range 2 {
		w, err := db.Delete(ctx, "k")
		fmt.Println(w.Done, w.Revision, err)
	}
	// Output:
	// true 1 <nil>
	// false 1 <nil>
}

func ExampleSpace_Extend() {
	db := memory()
	defer db.Close()
	if _, err := db.Set(ctx, "session/42", "ann", &kahuna.SetOptions{TTL: time.Minute}); err != nil {
		log.Fatal(err)
	}
	w, err := db.Extend(ctx, "session/42", time.Hour)
	fmt.Println(w.Done, err)
	// Output: true <nil>
}

func ExampleSpace_Bucket() {
	db := memory()
	defer db.Close()
	if _, err := db.Run(ctx, "set `svc/b` 2 set `svc/a` 1 set `svc/eu/c` 3", nil, nil); err != nil {
		log.Fatal(err)
	}
	for r, err := range db.Bucket(ctx, "svc", nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// svc/a 1
	// svc/b 2
}

func ExampleSpace_Prefix() {
	db := memory()
	defer db.Close()
	if _, err := db.Run(ctx, "for i in 1..5 do set (concat('n/', i)) i end", nil, nil); err != nil {
		log.Fatal(err)
	}
	// The first page, and the next one.
	after := ""
	for range 3 {
		for r, err := range db.Prefix(ctx, "n/", &kahuna.RangeOptions{After: after, Limit: 2}) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(r.Key, r.Value)
			after = r.Key
		}
		fmt.Println("--")
	}
	// Output:
	// n/1 1
	// n/2 2
	// --
	// n/3 3
	// n/4 4
	// --
	// n/5 5
	// --
}

// A limiter of its own, for any store.
type limiter struct{ allow kahuna.Program }

func newLimiter(s kahuna.Store) (*limiter, error) {
	allow, err := s.Compile(`
		let used = to_int(get @key)
		if used >= @limit then return false end
		set @key used + 1 ex @window keepttl
		return true`)
	return &limiter{allow}, err
}

func (l *limiter) Allow(ctx context.Context, user string) (bool, error) {
	res, err := l.allow.Run(ctx, kahuna.Params{"key": "limit/" + user, "limit": 2, "window": time.Minute}, nil)
	if err != nil {
		return false, err
	}
	return res.Text() == "true", nil
}

func ExampleStore() {
	db := memory()
	defer db.Close()
	l, err := newLimiter(db)
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		fmt.Println(l.Allow(ctx, "ann"))
	}
	// Output:
	// true <nil>
	// true <nil>
	// false <nil>
}

func ExampleSpace_Range() {
	db := memory()
	defer db.Close()
	for _, key := range []string{"a/b", "a-c", "a/b/c", "a/z", "b"} {
		if _, err := db.Set(ctx, key, "", nil); err != nil {
			log.Fatal(err)
		}
	}
	for e, err := range db.Range(ctx, "a-c", "a/z", &kahuna.RangeOptions{Desc: true}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Key)
	}
	// Output:
	// a/b/c
	// a/b
	// a-c
}

func ExampleDB_Ephemeral() {
	db := memory()
	defer db.Close()
	if _, err := db.Ephemeral().Set(ctx, "k", "in memory", nil); err != nil {
		log.Fatal(err)
	}
	res, err := db.Run(ctx, "return [eget k, get k ?? 'nothing']", nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Entries[0].Value, "/", res.Entries[1].Value)
	// Output: in memory / nothing
}

func ExampleDB_Update() {
	db := memory()
	defer db.Close()
	err := db.Update(ctx, func(tx kahuna.Tx) error {
		e, ok, err := tx.Get(ctx, "config")
		if err != nil {
			return err
		}
		if !ok {
			e.Value = "default"
		}
		_, err = tx.Set(ctx, "config", e.Value+"+", nil)
		return err
	})
	fmt.Println(err)
	err = db.View(ctx, func(tx kahuna.Tx) error {
		e, _, err := tx.Get(ctx, "config")
		fmt.Println(e.Value)
		return err
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// default+
	// <nil>
}

func ExampleDB_Begin() {
	db := memory()
	defer db.Close()
	tx, err := db.Begin(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback() // does nothing after Commit
	if _, err := tx.Run(ctx, "set a 1 set b 2", nil, nil); err != nil {
		log.Fatal(err)
	}
	if _, err := tx.Delete(ctx, "a"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(tx.Commit(ctx))
	// Output: <nil>
}

func ExampleProgram_parameters() {
	db := memory()
	defer db.Close()
	p, err := db.Compile("let stock = get @item; set stock @n")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Parameters())
	for _, w := range p.Warnings() {
		fmt.Println(w.Line, w.Column, w.Text)
	}
	// Output:
	// [item n]
	// 1 28 this is the key literally called 'stock', not the variable 'stock'; the key named by the variable is (stock)
}

func ExampleDB_View() {
	db := memory()
	defer db.Close()
	if _, err := db.Run(ctx, "set `acct/a` 70 set `acct/b` 30", nil, nil); err != nil {
		log.Fatal(err)
	}
	err := db.View(ctx, func(tx kahuna.Tx) error {
		rows, err := kahuna.Collect(tx.Bucket(ctx, "acct", nil)) // all of one moment, with the reads below
		if err != nil {
			return err
		}
		e, _, err := tx.Get(ctx, "acct/a")
		fmt.Println(len(rows), e.Value)
		return err
	})
	fmt.Println(err)
	// Output:
	// 2 70
	// <nil>
}

func ExampleTx_Run() {
	db := memory()
	defer db.Close()
	tx, err := db.Begin(ctx, &kahuna.TxOptions{Timeout: 10 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Run(ctx, "set a 1", nil, nil); err != nil {
		log.Fatal(err)
	}
	_, err = tx.Run(ctx, "set b 2 throw 'no'", nil, nil) // undoes itself, not the transaction
	fmt.Println(err)
	if err := tx.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	a, _ := db.Exists(ctx, "a")
	b, _ := db.Exists(ctx, "b")
	fmt.Println(a, b, errors.Is(tx.Commit(ctx), kahuna.ErrTxDone))
	// Output:
	// no at line 1
	// true false true
}

func ExampleDB_Stats() {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Set(ctx, "k", "v", nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(db.Stats().BatchedScripts > 0)
	// Output: true
}
