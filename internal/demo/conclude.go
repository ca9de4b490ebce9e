package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// conclude checks how the shutdown went, and says what that means.
func (d *demo) conclude(ctx context.Context, r client.Rollout) error {
	switch {
	case d.opts.Reject:
		return d.concludeRejected(ctx, r)
	case d.opts.Fail == explorer:
		d.concludeExplorer(r)
	case d.opts.Fail == earlyAdopter:
		return d.concludeHalted(ctx, r)
	case d.opts.Fail == general:
		d.concludePartial(r)
	default:
		d.expect(r.State == client.RolloutStateSucceeded, "the shutdown ended %s, not succeeded", r.State)
		d.screen.say("\nThe fleet has stopped, wave by wave. Until the last wave was told, its members went on serving.")
	}
	return nil
}

// concludeRejected waits for a minute in which nobody may stop.
func (d *demo) concludeRejected(ctx context.Context, r client.Rollout) error {
	d.expect(r.State == client.RolloutStateRejected, "the shutdown ended %s, not rejected", r.State)
	d.expect(told(r) == 0, "%s told to stop", count(told(r), "occurrence"))
	if err := d.wait(ctx, d.opts.real(time.Minute)); err != nil {
		return err
	}
	d.expect(d.fleet.gone() == 0, "%s stopped", count(d.fleet.gone(), "occurrence"))
	d.screen.say("\nRejected, for all. A minute later nobody has stopped, and nobody was told to.")
	return nil
}

func (d *demo) concludeExplorer(r client.Rollout) {
	d.expect(r.State == client.RolloutStateFailed, "the shutdown ended %s, not failed", r.State)
	d.expect(r.Task != nil && r.Task.Status == client.TaskStatusFAILED, "the shared task is not FAILED")
	d.expect(told(r) == 1, "%s told to stop, not the explorer alone", count(told(r), "occurrence"))
	d.screen.say("\nThe explorer did not stop, so the shutdown has failed and its shared task with it. Nobody else was told anything:\n"+
		"%s at work. That is what the explorer is for.", count(d.opts.Occurrences-1, "occurrence")+choose(d.opts.Occurrences == 2, " is", " are"))
}

// concludeHalted looks at the incident, and then gives the shutdown up as an operator would.
func (d *demo) concludeHalted(ctx context.Context, r client.Rollout) error {
	d.expect(r.State == client.RolloutStateHalted, "the shutdown is %s, not halted", r.State)
	d.expect(toldIn(r, general) == 0, "%s of the last wave told to stop", count(toldIn(r, general), "member"))
	d.screen.say("\nThe early adopters did not stop. The shutdown is halted before the next wave, of which nobody was told anything.\n" +
		"It waits for a person, and has opened an incident for one:\n")
	incidents, err := d.operator.incidents(ctx)
	if err != nil {
		return err
	}
	found := false
	for _, i := range incidents {
		found = found || i.Type == client.IncidentTypeWaveFailed
		d.screen.say("  incident %s %s", i.Type, strings.TrimPrefix(text(i.OccurrenceID)+": "+i.Detail, ": "))
	}
	d.expect(found, "there is no incident %s", client.IncidentTypeWaveFailed)
	if r.State != client.RolloutStateHalted {
		return nil
	}
	d.screen.say("\nThe person could try again (retry), go on all the same (promote), or give up (abort). This one gives up:\n")
	if _, err := d.operator.abort(ctx, r, "The early adopters hang; we look into that first."); err != nil {
		return err
	}
	if r, err = d.watch(ctx, r.RolloutID, final); err != nil {
		return fmt.Errorf("after the abort: %w", err)
	}
	if err := d.wait(ctx, d.opts.real(time.Minute)); err != nil {
		return err
	}
	if r, err = d.operator.rollout(ctx, r.RolloutID); err != nil {
		return err
	}
	d.expect(r.State == client.RolloutStateAborted, "the shutdown ended %s, not aborted", r.State)
	d.expect(toldIn(r, general) == 0, "%s of the last wave told to stop after the abort", count(toldIn(r, general), "member"))
	d.screen.say("\nAborted. Nothing is undone: the explorer stays stopped, and the last wave was never told and works on.")
	return nil
}

func (d *demo) concludePartial(r client.Rollout) {
	d.expect(r.State == client.RolloutStatePartial, "the shutdown ended %s, not partial", r.State)
	d.screen.say("\nThe last wave goes on as well as it can, so the shutdown has ended, in part. Who did not stop runs on and is named;\n" +
		"a person, or the emergency stop, ends it.")
}

// told is how many members were told to do anything.
func told(r client.Rollout) int {
	n := 0
	for _, w := range r.Waves {
		n += toldIn(r, w.Group)
	}
	return n
}

func toldIn(r client.Rollout, group string) int {
	n := 0
	for _, w := range r.Waves {
		for _, m := range w.Members {
			if w.Group == group && m.InstructedAt != nil {
				n++
			}
		}
	}
	return n
}

// review says when what happened, who is there now, and whether that is as it should be.
func (d *demo) review(ctx context.Context) error {
	r, err := d.operator.rollout(ctx, d.shown)
	if err != nil {
		return err
	}
	if lines := timeline(r, d.opts.virtual); !d.opts.Reject && len(lines) > 1 {
		d.screen.heading("When it happened, in minutes after the decision")
		for _, line := range lines {
			d.screen.say("%s", line)
		}
		if d.opts.Speed > 1 {
			d.screen.say("\nEach step costs the network and the disk some hundredths of a second; here they count %v times.", d.opts.Speed)
		}
	}
	d.screen.heading("Who is there now")
	if err := d.roll(ctx, r); err != nil {
		return err
	}
	if len(d.wrong) == 0 {
		d.screen.say("\nEverything went as it was asked to go.")
	}
	for _, w := range d.wrong {
		d.screen.say("\nNOT AS IT SHOULD BE: %s", w)
	}
	return nil
}

// roll calls the roll: what the service knows of each occurrence, and which processes have ended.
func (d *demo) roll(ctx context.Context, r client.Rollout) error {
	stopped := 0
	for _, w := range r.Waves {
		for _, m := range w.Members {
			if m.State == client.MemberStateReached {
				stopped++
			}
		}
	}
	if err := d.awaitExits(ctx, stopped); err != nil {
		return err
	}
	all, err := d.operator.occurrences(ctx)
	if err != nil {
		return err
	}
	counts, order := map[string]int{}, []string{}
	for _, o := range all {
		s := fmt.Sprintf("reports %s, is %s", o.State, o.Liveness)
		if counts[s] == 0 {
			order = append(order, s)
		}
		counts[s]++
		if len(all) <= mostListed {
			d.screen.say("  %-14s %-10s %s", o.OccurrenceID, o.State, o.Liveness)
		}
	}
	if len(all) > mostListed {
		for _, s := range order {
			d.screen.say("  %4d %s", counts[s], s)
		}
	}
	d.screen.say("\n%d of %s have ended.", d.fleet.gone(), count(d.opts.Occurrences, "process"+choose(d.opts.Occurrences == 1, "", "e")))
	d.expect(len(all) == d.opts.Occurrences, "the service knows %s, not %d", count(len(all), "occurrence"), d.opts.Occurrences)
	d.expect(d.fleet.gone() == stopped, "%d processes have ended, and %d were seen to stop", d.fleet.gone(), stopped)
	return nil
}

// awaitExits gives processes whose last word was heard the moment that it takes them to exit.
func (d *demo) awaitExits(ctx context.Context, stopped int) error {
	for range 100 {
		if d.fleet.gone() >= stopped {
			return nil
		}
		if err := d.wait(ctx, look); err != nil {
			return err
		}
	}
	return nil
}
