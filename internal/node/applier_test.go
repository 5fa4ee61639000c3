package node

import (
	"runtime"
	"testing"
	"time"
	"weak"
)

// TestApplierNeverRun: the applier of a node that could not be opened leaves
// nothing behind, no timer either, which would keep it.
func TestApplierNeverRun(t *testing.T) {
	left := weak.Make(newApplier())
	runtime.GC()
	if left.Value() != nil {
		t.Error("something keeps it")
	}
}

// TestApplierEnds: no timer is left once the applier has ended.
func TestApplierEnds(t *testing.T) {
	a := newApplier()
	go a.run(func(err error) { t.Error(err) })
	for range 2 {
		reached := make(chan struct{})
		a.put(applyItem{group: &group{}, reached: reached})
		select {
		case <-reached:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was applied")
		}
	}
	a.close()
	if a.timer.Stop() {
		t.Error("the timer goes on")
	}
}
