package ops

// prepareFast picks a packed kernel.
func (c *Conv) prepareFast(p *Prep, s convSpec) (Kernel, error) {
	p.Path("reference")
	return &convReference{s, c.Act, c.Residual, p.Params, outPitch(p.OutPitch, s.oc)}, nil
}
