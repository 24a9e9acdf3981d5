package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"core.internal/shared/cli/render"
	"core.internal/shared/config"
	"core.internal/shared/dep"
	"core.internal/shared/dep/lock"
	"core.internal/shared/ui"
)

// depProgress shows what is being installed or locked: on a terminal a bar.
func (c *call) depProgress() (show func(dep.Progress), close func()) {
	bar := render.NewBar(c.err)
	var last dep.Progress
	return func(p dep.Progress) {
		if p.Phase == dep.PhaseFailed {
			bar.Close() // the command's own error says it
			return
		}
		done := p.Phase == dep.PhaseInstalled || p.Phase == dep.PhaseBuilt || p.Phase == dep.PhaseLocked
		// What does not redraw gets one line for each phase.
		if !c.err.Terminal && p.Name == last.Name && p.Phase == last.Phase && !done {
			return
		}
		last = p
		part := -1.0
		switch {
		case p.Phase == dep.PhaseDownloading && p.BytesTotal > 0:
			part = float64(p.Bytes) / float64(p.BytesTotal)
		case p.Phase == dep.PhaseBuilding && p.PackagesTotal > 0:
			part = float64(p.Packages) / float64(p.PackagesTotal)
		}
		bar.Show(render.Clean(p.String()), part, done)
	}, bar.Close
}

func (c *call) depInstall(ctx context.Context) error {
	list, err := c.named(func(d wanted) bool { return d.enabled })
	if err != nil {
		return err
	}
	store := c.store()
	store.Thorough = true // somebody asks for it: it may take the time
	show, closeBar := c.depProgress()
	defer closeBar()
	var errs []error
	// One after the other: what fails keeps none of the others from it.
	for _, d := range list {
		paths, err := store.Ensure(ctx, []dep.Want{d.want}, show)
		closeBar()
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := c.out.Print(fmt.Sprintf("%s%s  %s", c.out.Mark(ui.OK), c.out.Bold(d.want.Name), paths[d.want.Name])); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

func (c *call) depLock(ctx context.Context) error {
	list, err := c.named(func(wanted) bool { return true })
	if err != nil {
		return err
	}
	show, closeBar := c.depProgress()
	defer closeBar()
	locked, err := c.store().Lock(ctx, wantsOf(list), dep.Locking{
		Platforms: value[config.Strings](c, "platform"), Update: value[bool](c, "update"), Prune: len(c.args) == 0,
	}, show)
	closeBar()
	changed := 0
	for _, l := range locked {
		if !l.Changed() {
			continue
		}
		changed++
		what := l.Asset.SHA256
		if l.Asset.Module != "" {
			what = l.Asset.Module + " " + l.Asset.Sum
		}
		if err := c.out.Print(fmt.Sprintf("%s%s  %s  %s", c.out.Mark(ui.OK), c.out.Bold(l.Want.Name), l.Platform, what)); err != nil {
			return err
		}
		if l.Before != (lock.Asset{}) {
			c.note(fmt.Sprintf("%s was another for %s before: make sure that its publisher meant it", l.Want.Name, l.Platform))
		}
	}
	switch lockable := slices.ContainsFunc(list, func(d wanted) bool { return d.want.Source.Locked() }); {
	case err != nil || changed > 0:
	case lockable:
		c.note("everything is locked already")
	case len(list) > 0:
		c.note("there is nothing to lock: what is wanted is built here or the system's")
	default:
		c.note("there is nothing to lock: no spec that the node finds has a dep")
	}
	return err
}

func (c *call) depVerify() error {
	list, err := c.named(func(d wanted) bool { return d.enabled })
	if err != nil {
		return err
	}
	store := c.store()
	var errs []error
	bad := false
	for _, d := range list {
		if !d.want.Source.Locked() {
			continue
		}
		damage, err := store.Verify(d.want)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(damage) == 0 {
			if err := c.out.Print(fmt.Sprintf("%s%s  as it was installed", c.out.Mark(ui.OK), c.out.Bold(d.want.Name))); err != nil {
				return err
			}
		}
		for _, what := range damage {
			bad = true
			if err := c.out.Print(fmt.Sprintf("%s%s  %s", c.out.Mark(ui.Bad), c.out.Bold(d.want.Name), render.Clean(what))); err != nil {
				return err
			}
		}
	}
	if bad {
		errs = append(errs, &Problem{Err: errors.New("what is installed is not what was unpacked"), Fix: fmt.Sprintf("`%s dep install` mends it", c.app.Name)})
	}
	return errors.Join(errs...)
}

func (c *call) depGC(ctx context.Context) error {
	if err := c.arguments(0, 0); err != nil {
		return err
	}
	list, err := c.deps()
	if err != nil {
		return errors.Join(err, &fixOnly{"correct the specs first: what they want would be removed"})
	}
	dry := value[bool](c, "dry-run")
	removed, err := c.store().GC(ctx, wantsOf(list), dry)
	verb := "removed"
	if dry {
		verb = "would remove"
	}
	var freed int64
	for _, r := range removed {
		line := fmt.Sprintf("%s %s", verb, r.Path)
		if r.Kept != "" {
			line = fmt.Sprintf("kept %s: %s", r.Path, r.Kept)
		} else {
			freed += r.Size
		}
		if r.ID != "" {
			line += c.out.Dim("  " + r.ID)
		}
		if err := c.out.Print(line); err != nil {
			return err
		}
	}
	if len(removed) == 0 {
		c.note("there is nothing that no spec wants")
	} else {
		c.note(fmt.Sprintf("%s %s", verb, dep.Bytes(freed)))
	}
	return err
}
