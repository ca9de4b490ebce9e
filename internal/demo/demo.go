package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cirisai/orchestrator/client"
)

// ErrFailed says that something went otherwise than it was asked to go. What it was has been printed.
var ErrFailed = errors.New("the demonstration failed")

// demo is one demonstration.
type demo struct {
	opts     Options
	screen   *screen
	service  Service
	operator *operator
	fleet    *fleet
	seen     map[string]client.Rollout // as they were shown last, by id
	wrong    []string                  // what is not as it should be
	shown    string                    // the rollout of the shutdown, for those who want to look closer
}

// Run gives the demonstration. It returns nil when everything went as it was asked to go, failures asked for included, and
// an [ErrFailed] when it did not; the error is an ErrOptions when the options cannot be used. Without Options.Exit it
// returns only after ctx has ended.
func Run(ctx context.Context, opts Options) (err error) {
	if err := opts.Check(); err != nil {
		return err
	}
	d := &demo{opts: opts, seen: map[string]client.Rollout{}, screen: &screen{out: opts.Out, terminal: opts.Terminal}}
	d.introduce()
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if d.service, err = opts.Start(serving, opts.settings()); err != nil {
		return err
	}
	defer func() {
		stop()
		err = errors.Join(err, d.service.Wait())
	}()
	if d.operator, err = newOperator(d.service.URL, opts.AgentID); err != nil {
		return err
	}
	defer func() {
		if d.fleet != nil {
			d.fleet.close()
		}
	}()
	switch err := d.acts(ctx); {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w: interrupted", ErrFailed)
	case err != nil:
		return err
	}
	if !opts.Exit {
		d.goOn(ctx)
	}
	if len(d.wrong) > 0 {
		return ErrFailed
	}
	return nil
}

// acts plays them one after the other.
func (d *demo) acts(ctx context.Context) error {
	if err := d.operator.prepare(ctx, d.opts); err != nil {
		return err
	}
	database := d.opts.Database
	if database == "" {
		database = d.service.Database
	}
	d.screen.say("The service listens at %s and keeps its state in %s.", d.service.URL, database)
	for _, act := range []func(context.Context) error{d.wakeup, d.shutdown, d.review} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) introduce() {
	d.screen.say(`One agent may run as many processes, its occurrences. They should not each think the same decision through again, and should
not all start or stop at the same moment. The orchestrator asks one occurrence to decide for all, and carries the decision
through the fleet in waves: one explorer first, then a few early adopters, then the rest. Each wave has to be well before the
next one is told anything; when one goes wrong, the others are left alone.
`)
	d.screen.say(`What follows is real: the service, its database, and %s that talk to it over HTTP. Only time is pressed:
every duration is divided by %v, so that a minute takes %s. T+1:00 is one minute after the decision.
`, count(d.opts.Occurrences, "occurrence"), d.opts.Speed, d.opts.real(time.Minute).Round(time.Millisecond))
}

// wakeup starts the fleet and lets it wake.
func (d *demo) wakeup(ctx context.Context) (err error) {
	d.screen.heading(fmt.Sprintf("%s of the agent %q start at once and ask to wake up", count(d.opts.Occurrences, "occurrence"), d.opts.AgentID))
	if d.fleet, err = startFleet(ctx, d.opts, d.service.URL); err != nil {
		return err
	}
	q, err := d.question(ctx)
	if err != nil {
		return err
	}
	d.answer(q)
	r, err := d.watch(ctx, q.about.RolloutID, finalOrHalted)
	if err != nil {
		return fmt.Errorf("the wakeup: %w", err)
	}
	if d.expect(r.State == client.RolloutStateSucceeded, "the wakeup is %s, not succeeded", r.State); !final(r) {
		return fmt.Errorf("%w: the wakeup does not go on without a person", ErrFailed)
	}
	if err := d.awaitAwake(ctx); err != nil {
		return err
	}
	if r.State == client.RolloutStateSucceeded {
		d.screen.say("\nThe fleet is awake. One occurrence deliberated; the others were woken by it.")
	}
	return nil
}

// shutdown asks for a shutdown and watches it to where it was asked to go.
func (d *demo) shutdown(ctx context.Context) error {
	d.screen.heading("An operator asks for a shutdown; the fleet is asked for its consent")
	requested, err := d.operator.requestShutdown(ctx, "Planned maintenance of the host.")
	if err != nil {
		return err
	}
	d.shown = requested.RolloutID
	if what := d.trouble(); what != "" {
		d.screen.say("For this demonstration %s\n", what)
	}
	q, err := d.question(ctx)
	if err != nil {
		return err
	}
	d.answer(q)
	r, err := d.watch(ctx, requested.RolloutID, finalOrHalted)
	if err != nil {
		return fmt.Errorf("the shutdown: %w", err)
	}
	return d.conclude(ctx, r)
}

// trouble says what will go wrong on purpose.
func (d *demo) trouble() string {
	switch {
	case d.opts.Reject:
		return "the decider will reject it."
	case d.opts.Fail != "":
		return "the members of the group " + d.opts.Fail + " will say yes when they are told to stop, and never stop."
	}
	return ""
}

// goOn leaves the service, and the occurrences that are still there, to whoever wants to look closer.
func (d *demo) goOn(ctx context.Context) {
	d.screen.heading("The service goes on until you press Ctrl-C")
	agent := d.service.URL + "/v1/agents/" + d.opts.AgentID
	d.screen.say(`  the page           %s/
  the shutdown       curl -s %s/v1/rollouts/%s
  the occurrences    curl -s %s/occurrences
  what has happened  curl -s %s/events`, d.service.URL, d.service.URL, d.shown, agent, agent)
	if d.fleet.gone() < d.opts.Occurrences {
		d.screen.say(`  stop them all      curl -s -H 'Content-Type: application/json' -d '{"agent_id":"%s","confirm":true,"reason":"enough"}' \
                       %s/v1/emergency/shutdown`, d.opts.AgentID, d.service.URL)
	}
	for ctx.Err() == nil {
		if err := d.wait(ctx, time.Second); err != nil && ctx.Err() == nil {
			d.screen.say("%v", err)
		}
	}
	d.screen.say("\nStopping.")
}
