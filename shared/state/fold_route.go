package state

import "core.internal/shared/events"

func foldRoute(b *Builder, e events.Envelope, body events.Body) {
	all := write(&b.s.Routes, &b.own.routes)
	r := all[e.Entity]
	r.Service, r.Since, r.Reason = e.Entity, e.Time, ""
	switch f := body.(type) {
	case events.RouteOpened:
		r.State, r.Routes = RouteOpen, f.Routes
	case events.RouteClosed:
		r.State, r.Routes, r.Reason = RouteClosed, f.Routes, f.Reason
	case events.RouteRefused:
		r.State, r.Routes, r.Reason = RouteRefused, nil, f.Reason
	case events.RouteRemoved:
		delete(all, e.Entity)
		return
	}
	all[e.Entity] = r
}
