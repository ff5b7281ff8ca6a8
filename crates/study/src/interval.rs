//! How sure a share is: intervals of 95 %.

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// So many hosts say as much of how much a share varies as the whole does; fewer say less, and more say more, by their square. Of 3 to 14,
/// tried over thousands of samples of the simulated population outside the project: from 5 on every share holds in 92 to 98 of 100
/// samples, and from 12 on those do too whose hosts were drawn for being light or heavy, but for one of two hosts (98.4).
const TRUSTED: f64 = 12.0;

/// Of so many hosts it is as likely as not by chance how much of each counts.
const BY_CHANCE: f64 = 4.0;

/// Lower and upper bound.
pub type Interval = (f64, f64);

/// Wilson's score interval (E. B. Wilson, 1927) of `part` of `whole` that were drawn independently.
#[must_use]
pub fn wilson(part: f64, whole: f64) -> Option<Interval> {
    if whole <= 0.0 || !(0.0..=whole).contains(&part) {
        return None;
    }
    Some(score(part / whole, whole))
}

fn score(p: f64, n: f64) -> Interval {
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // None and all are bounds themselves, whatever rounding leaves of them.
    let low = if p > 0.0 { (middle - half).max(0.0) } else { 0.0 };
    let high = if p < 1.0 { (middle + half).min(1.0) } else { 1.0 };
    (low, high)
}

/// What is needed of a ratio of two sums over hosts: of y, of which x is the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Sum of y.
    pub y: f64,
    /// Sum of x.
    pub x: f64,
    /// Sum of y².
    pub yy: f64,
    /// Sum of xy.
    pub xy: f64,
    /// Sum of x².
    pub xx: f64,
    /// Number of hosts.
    pub n: f64,
}

impl Sums {
    /// The standard error of y/x when hosts are drawn, by linearisation of the ratio (Cochran, Sampling Techniques, 1977, 6.4): what a
    /// bootstrap over hosts comes to.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        if self.n < 2.0 || self.x <= 0.0 {
            return None;
        }
        let p = self.y / self.x;
        let residuals = (self.yy - 2.0 * p * self.xy + p * p * self.xx).max(0.0);
        Some((residuals * self.n / (self.n - 1.0)).sqrt() / self.x)
    }

    /// How many independent draws say as much: the share's own variance by [`Sums::standard_error`], drawn towards the one that hosts of
    /// this uneven weight would give a share which does not depend on it (Kish, Survey Sampling, 1965, 11.7: draws are x² over xx).
    ///
    /// A variance that few hosts tell is itself unsure, and too small most of the time: those of great weight are rarely among them. So
    /// the own one counts by the number of hosts that the share rests on, evenly weighted as it were, against [`TRUSTED`].
    ///
    /// A host of which all counts or nothing (its observations, by its country) moves the share with all of its weight; one of which a part
    /// counts (its models, by their quantisation) with less: 1 of x, if its models are drawn each for itself. yy over xy is that part and p of
    /// the rest; few hosts do not tell the two apart ([`BY_CHANCE`]), and then all of it is taken.
    fn draws(&self, p: f64) -> Option<f64> {
        let own = self.standard_error()?.powi(2);
        let even = self.x * self.x / self.xx.max(f64::MIN_POSITIVE);
        if p <= 0.0 || p >= 1.0 {
            // None, or all: nothing varies.
            return Some(even);
        }
        let hosts = |sum: f64, squares: f64| if squares > 0.0 { sum * sum / squares } else { 0.0 };
        let resting = hosts(self.y, self.yy).min(hosts(self.x - self.y, self.xx - 2.0 * self.xy + self.yy));
        let each_for_itself = (even / self.x).min(1.0);
        let most = (self.yy / self.xy).min(1.0);
        let least = ((most - p) / (1.0 - p)).max(each_for_itself).min(most);
        let part = most - (most - least) * resting / (resting + BY_CHANCE);
        let of_whole = part * p * (1.0 - p) / even;
        let weight = resting * resting / (resting * resting + TRUSTED * TRUSTED);
        Some(p * (1.0 - p) / (weight * own + (1.0 - weight) * of_whole))
    }

    /// Wilson's interval with as many draws as say the same (Korn and Graubard, 1998): it stays within 0 and 1 and is not symmetric near
    /// them.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        let p = self.y / self.x;
        if !(0.0..=1.0).contains(&p) {
            return None;
        }
        Some(score(p, self.draws(p)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, within: f64) {
        assert!((a - b).abs() <= within, "{a} against {b}");
    }

    #[test]
    fn wilson_is_as_tabled() {
        // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        for (part, whole, low, high) in [
            (81.0, 263.0, 0.2553, 0.3662),
            (15.0, 148.0, 0.0624, 0.1605),
            (0.0, 20.0, 0.0, 0.1611),
            (1.0, 29.0, 0.0061, 0.1718),
        ] {
            let (l, h) = wilson(part, whole).expect("an interval");
            near(l, low, 0.00006);
            near(h, high, 0.00006);
        }
        for whole in 1..2_000 {
            let whole = f64::from(whole);
            assert_eq!(wilson(whole, whole).expect("an interval").1, 1.0, "{whole}");
            assert_eq!(wilson(0.0, whole).expect("an interval").0, 0.0, "{whole}");
        }
        assert_eq!(wilson(0.0, 0.0), None);
        assert_eq!(wilson(3.0, 2.0), None);
    }

    #[test]
    fn a_ratio_of_single_draws_is_a_share() {
        let sums = Sums {
            y: 81.0,
            x: 263.0,
            yy: 81.0,
            xy: 81.0,
            xx: 263.0,
            n: 263.0,
        };
        let (low, high) = sums.interval().expect("an interval");
        let (l, h) = wilson(81.0, 263.0).expect("an interval");
        near(low, l, 0.001);
        near(high, h, 0.001);
    }

    #[test]
    fn a_share_that_rests_on_few_hosts_is_as_unsure_as_they_are_few() {
        // Of a hundred hosts ten have 91 observations each and ninety have one; two light ones are of a kind. By their own variance alone
        // the share would end under 1 %, though it would be 9.2 % had one of them been heavy.
        let two = Sums {
            y: 2.0,
            x: 1000.0,
            yy: 2.0,
            xy: 2.0,
            xx: 10.0 * 91.0 * 91.0 + 90.0,
            n: 100.0,
        };
        let (low, high) = two.interval().expect("an interval");
        let (_, alone) = score(0.002, 0.002 * 0.998 / two.standard_error().expect("an error").powi(2));
        assert!(alone < 0.01, "{alone}");
        assert!(low < 0.0005 && (0.092..0.25).contains(&high), "{low} {high}");
    }

    #[test]
    fn a_share_that_many_light_hosts_make_is_told_by_them() {
        // 631 hosts that were seen once, a thousand that were seen ten times, 120 that were seen five hundred times: that the first are
        // one in a hundred of the observations is surer than it would be of a share that any of the last could be of.
        let once = Sums {
            y: 631.0,
            x: 70_631.0,
            yy: 631.0,
            xy: 631.0,
            xx: 631.0 + 100_000.0 + 30_000_000.0,
            n: 1_751.0,
        };
        let (low, high) = once.interval().expect("an interval");
        let half = Z * once.standard_error().expect("an error");
        assert!((1.0..1.3).contains(&((high - low) / 2.0 / half)), "{low} {high} against {half}");
    }

    #[test]
    fn hosts_of_which_a_part_counts_lend_no_more_than_that_part() {
        // A hundred hosts with ten models each and one with ten thousand; on ten of the small ones one model is of a kind, and on the
        // large one fifty are. That one is not of that kind as a whole, so that it cannot make the share a hundredfold.
        let sums = Sums {
            y: 60.0,
            x: 11_000.0,
            yy: 10.0 + 2_500.0,
            xy: 100.0 + 500_000.0,
            xx: 100.0 * 100.0 + 1e8,
            n: 101.0,
        };
        let (_, high) = sums.interval().expect("an interval");
        assert!(high < 0.1, "{high}");
        let whole = Sums { yy: 500_100.0, ..sums };
        assert!(whole.interval().expect("an interval").1 > 0.2, "all or nothing");
    }

    #[test]
    fn linearisation_is_what_resampling_hosts_gives() {
        // Hosts with very uneven numbers of observations, as they are.
        let mut state = 7_u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let hosts: Vec<(f64, f64)> = (0..2000)
            .map(|_| {
                let x = (1.0 / (next() + 0.004)).floor().max(1.0);
                let y = if next() < 0.3 { x } else { (x * 0.1).floor() };
                (x, y)
            })
            .collect();
        let sums = hosts.iter().fold(Sums::default(), |s, (x, y)| Sums {
            y: s.y + y,
            x: s.x + x,
            yy: s.yy + y * y,
            xy: s.xy + x * y,
            xx: s.xx + x * x,
            n: s.n + 1.0,
        });
        let mut shares: Vec<f64> = (0..2000)
            .map(|_| {
                let (mut x, mut y) = (0.0, 0.0);
                for _ in 0..hosts.len() {
                    let host = hosts[((next() * hosts.len() as f64) as usize).min(hosts.len() - 1)];
                    x += host.0;
                    y += host.1;
                }
                y / x
            })
            .collect();
        shares.sort_by(f64::total_cmp);
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        let spread = (shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / shares.len() as f64).sqrt();
        near(sums.standard_error().expect("an error") / spread, 1.0, 0.08);
        let (low, high) = sums.interval().expect("an interval");
        near(low, shares[50], spread * 0.4);
        near(high, shares[1949], spread * 0.4);
    }
}
