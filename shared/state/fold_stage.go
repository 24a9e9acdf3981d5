package state

import "core.internal/shared/events"

func foldStage(b *Builder, e events.Envelope, body events.Body) {
	s := Stage{Name: e.Entity, Since: e.Time}
	switch f := body.(type) {
	case events.StageStarting:
		s.Index, s.State = f.Index, StageStarting
	case events.StageReady:
		s.Index, s.State, s.TookMS = f.Index, StageReady, f.TookMS
	case events.StageFailed:
		s.Index, s.State = f.Index, StageFailed
		s.Reason, s.Fix, s.LastLines = f.Reason, f.Fix, f.LastLines
	case events.StageStopping:
		s.Index, s.State = f.Index, StageStopping
	case events.StageStopped:
		s.Index, s.State, s.TookMS = f.Index, StageStopped, f.TookMS
	}
	all := write(&b.s.Stages, &b.own.stages)
	if s.State == StageStarting && s.Index == 1 {
		// A new boot: what an earlier one left in the log does not hold.
		for name, other := range all {
			if other.Index > 1 {
				all[name] = Stage{Name: name, Index: other.Index, State: StagePending, Since: e.Time}
			}
		}
	}
	all[e.Entity] = s
}
