package txn

import (
	"errors"
	"fmt"
	"time"

	"kahuna/internal/admission"
	"kahuna/script"
)

// admit waits until the job may go on the slow path. It holds no locks yet
// (Invariant ADM-1), and its time-out stands still.
func (a *attempt) admit() *script.Error {
	if a.pass != nil {
		return nil
	}
	pass := a.r.Admission.NewPass()
	start := time.Now()
	a.timer.Stop()
	waited, err := pass.Admit(a.j.Priority, time.Duration(a.j.AdmissionMs)*time.Millisecond, a.stopped)
	a.r.Waits.Admission.add(waited)
	if err != nil {
		return a.refused(err)
	}
	a.pass = pass
	a.deadline = a.deadline.Add(time.Since(start))
	a.timer.Reset(time.Until(a.deadline))
	return nil
}

// refused makes the answer of a job that was not admitted.
func (a *attempt) refused(err error) *script.Error {
	if errors.Is(err, admission.ErrStopped) {
		return a.stop()
	}
	e := &script.Error{Code: script.CodeAdmission, Message: "timed out waiting for admission",
		Hint: "send it again after a pause, with a longer admissionWait or a higher priority"}
	s := a.r.Admission.Stats()
	switch {
	case errors.Is(err, admission.ErrFull):
		e.Message = fmt.Sprintf("not admitted: %d scripts wait for admission already", s.Waiting)
		e.Hint = "send it again after a pause; the limit is Options.SlowWaiting"
	case errors.Is(err, admission.ErrNoRoom):
		e.Message = fmt.Sprintf("not admitted: %d long scripts are running, and admissionWait is 0", s.UnderWay)
		e.Hint = "send it again after a pause, or with an admissionWait"
	}
	return e
}

// leave gives up what the job has of the slow path, before it waits for
// something else and at its end. It reports whether it had any.
func (a *attempt) leave() bool { return a.pass != nil && a.pass.Leave() }

// yield lets others go on, in the middle of a run that has made bytes.
func (a *attempt) yield(made int64) {
	if a.pass != nil {
		a.r.Waits.GaveWay.add(a.pass.Yield(made, a.stopped))
	}
}

// poll is yield for the engine's own long work. It returns why the job is to
// stop, or nil.
func (a *attempt) poll(made int64) error {
	a.yield(made)
	return a.why.Err()
}
