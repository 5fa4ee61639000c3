package kahuna_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"kahuna"
)

// A backup goes to any io.Writer, while scripts run. As a file it is worth
// something once it is synced.
func ExampleDB_Backup() {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Run(ctx, "set greeting 'hello'; set name 'world'", nil, nil); err != nil {
		log.Fatal(err)
	}

	f, err := os.CreateTemp("", "kahuna-*.backup")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	info, err := db.Backup(ctx, f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Rows, "rows")
	// Output: 2 rows
}

func ExampleRestore() {
	dir, err := os.MkdirTemp("", "kahuna")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	before, err := kahuna.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer before.Close()
	var backup bytes.Buffer
	if _, err := before.Run(ctx, "set greeting 'hello'", nil, nil); err != nil {
		log.Fatal(err)
	}
	if _, err := before.Backup(ctx, &backup); err != nil {
		log.Fatal(err)
	}

	// A backup that is cut short restores nothing.
	cut := strings.NewReader(backup.String()[:backup.Len()-1])
	_, err = kahuna.Restore(filepath.Join(dir, "data"), cut, nil)
	fmt.Println(errors.Is(err, kahuna.ErrBackup))

	if _, err := kahuna.Restore(filepath.Join(dir, "data"), &backup, nil); err != nil {
		log.Fatal(err)
	}
	after, err := kahuna.Open(filepath.Join(dir, "data"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer after.Close()
	greeting, _, err := after.Get(ctx, "greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(greeting.Value)
	// Output:
	// true
	// hello
}
