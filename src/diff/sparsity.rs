//! Which outputs depend on which inputs, and how to move several inputs at once.
//!
//! Columns that share no row can be displaced together: each row then changes by one of them alone (Curtis, Powell
//! and Reid, *On the estimation of sparse Jacobian matrices*, J. Inst. Math. Appl. 13, 1974). To have few such groups
//! is to colour the graph whose edges join columns that share a row (Coleman and Moré, SIAM J. Numer. Anal. 20(1),
//! 1983).

/// The places of the entries of an m × n matrix that may be other than zero, by columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparsity {
    rows: usize,
    /// The first entry of each column, and the number of entries at the end.
    starts: Vec<usize>,
    /// The row of each entry, ascending in each column.
    entries: Vec<u32>,
}

/// Columns in groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Colouring {
    /// The columns of each group, ascending.
    pub groups: Vec<Vec<usize>>,
    /// The group of each column; of one that is in none, a greater number than that of any group.
    pub group_of: Vec<u32>,
}

impl Colouring {
    /// Of so many columns in these groups.
    pub fn new(columns: usize, groups: Vec<Vec<usize>>) -> Colouring {
        let mut group_of = vec![u32::MAX; columns];
        for (group, members) in groups.iter().enumerate() {
            members.iter().for_each(|&column| group_of[column] = group as u32);
        }
        Colouring { groups, group_of }
    }

    /// All columns in one group.
    pub fn of_all(columns: usize) -> Colouring {
        Colouring { groups: vec![(0..columns).collect()], group_of: vec![0; columns] }
    }
}

impl Sparsity {
    /// From the entries (row, column), in any order, some perhaps twice; `None` if one lies outside.
    pub fn new(rows: usize, columns: usize, mut entries: Vec<(u32, u32)>) -> Option<Sparsity> {
        if entries.iter().any(|&(row, column)| row as usize >= rows || column as usize >= columns) {
            return None;
        }
        entries.sort_unstable_by_key(|&(row, column)| (column, row));
        entries.dedup();
        let mut starts = vec![0; columns + 1];
        for &(_, column) in &entries {
            starts[column as usize + 1] += 1;
        }
        for column in 0..columns {
            starts[column + 1] += starts[column];
        }
        Some(Sparsity { rows, starts, entries: entries.into_iter().map(|(row, _)| row).collect() })
    }

    /// Row i depends on the columns i − `below` to i + `above`.
    pub fn banded(rows: usize, columns: usize, below: usize, above: usize) -> Sparsity {
        let mut starts = Vec::with_capacity(columns + 1);
        let mut entries = Vec::new();
        starts.push(0);
        for column in 0..columns {
            let (first, end) = (column.saturating_sub(above), rows.min(column + below + 1));
            entries.extend((first..end).map(|row| row as u32));
            starts.push(entries.len());
        }
        Sparsity { rows, starts, entries }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The rows of a column's entries, ascending.
    pub fn column(&self, column: usize) -> &[u32] {
        &self.entries[self.starts[column]..self.starts[column + 1]]
    }

    /// The rows of each column's entries, with what belongs to the entries.
    pub fn by_column<'a, T>(&'a self, mut of_entries: &'a [T]) -> impl Iterator<Item = (&'a [u32], &'a [T])> {
        let mut rows = &self.entries[..];
        self.starts.windows(2).map(move |ends| {
            let count = ends[1] - ends[0];
            let ((rows_here, rows_left), (here, left)) = (rows.split_at(count), of_entries.split_at(count));
            (rows, of_entries) = (rows_left, left);
            (rows_here, here)
        })
    }

    /// The number of the first entry of a column among all.
    pub fn start(&self, column: usize) -> usize {
        self.starts[column]
    }

    /// Its entries of a matrix that is given by columns, and the greatest magnitude of all that it leaves out.
    pub fn entries_of(&self, columns: &[f64]) -> (Vec<f64>, f64) {
        let (mut entries, mut left_out) = (Vec::with_capacity(self.count()), 0.0f64);
        for (column, numbers) in columns.chunks_exact(self.rows.max(1)).enumerate() {
            let mut rows = self.column(column).iter().map(|row| *row as usize).peekable();
            for (row, number) in numbers.iter().enumerate() {
                match rows.next_if_eq(&row) {
                    Some(_) => entries.push(*number),
                    None => left_out = left_out.max(number.abs()),
                }
            }
        }
        (entries, left_out)
    }

    /// Its rows and columns exchanged.
    pub fn transposed(&self) -> Sparsity {
        let columns = self.columns();
        let mut starts = vec![0; self.rows + 1];
        for &row in &self.entries {
            starts[row as usize + 1] += 1;
        }
        for row in 0..self.rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut entries = vec![0; self.entries.len()];
        for column in 0..columns {
            for &row in self.column(column) {
                entries[next[row as usize]] = column as u32;
                next[row as usize] += 1;
            }
        }
        Sparsity { rows: columns, starts, entries }
    }

    /// Groups of columns that share no row: each column with a row is in one of them. Columns without a row, which
    /// nothing depends on, are in none.
    ///
    /// Greedy, in smallest-last order (Matula and Beck, J. ACM 30(3), 1983): with `apart` columns are kept from those
    /// of the other kind too. The time is that of a walk from every entry to all others of its row.
    pub fn colours(&self, apart: &[bool]) -> Colouring {
        let by_row = self.transposed();
        let columns = self.columns();
        let mut group_of = vec![u32::MAX; columns];
        // The column for which a colour was last found taken.
        let mut taken: Vec<usize> = Vec::new();
        let mut kind = Vec::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for column in self.smallest_last(&by_row).into_iter().rev().map(|column| column as usize) {
            for &row in self.column(column) {
                for &other in by_row.column(row as usize) {
                    if let Some(slot) = taken.get_mut(group_of[other as usize] as usize) {
                        *slot = column;
                    }
                }
            }
            let free = (0..groups.len()).find(|&c| taken[c] != column && kind[c] == apart[column]);
            let chosen = free.unwrap_or_else(|| {
                groups.push(Vec::new());
                taken.push(usize::MAX);
                kind.push(apart[column]);
                groups.len() - 1
            });
            group_of[column] = chosen as u32;
            groups[chosen].push(column);
        }
        for group in &mut groups {
            group.sort_unstable();
        }
        Colouring { groups, group_of }
    }

    /// The columns that have rows, each of them one with the fewest neighbours among those not yet taken.
    ///
    /// Columns are kept sorted by that number: one that loses a neighbour changes places with the first of its kind
    /// (Batagelj and Zaveršnik, *An O(m) algorithm for cores decomposition of networks*, 2003).
    fn smallest_last(&self, by_row: &Sparsity) -> Vec<u32> {
        let columns = self.columns();
        let mut seen = vec![u32::MAX; columns];
        let mut neighbours = |column: u32, mark: u32, act: &mut dyn FnMut(usize)| {
            seen[column as usize] = mark;
            for &row in self.column(column as usize) {
                for &other in by_row.column(row as usize) {
                    if seen[other as usize] != mark {
                        seen[other as usize] = mark;
                        act(other as usize);
                    }
                }
            }
        };
        let mut degree = vec![0u32; columns];
        for (column, degree) in degree.iter_mut().enumerate() {
            neighbours(column as u32, column as u32, &mut |_| *degree += 1);
        }
        let mut order: Vec<u32> =
            (0..columns as u32).filter(|&column| !self.column(column as usize).is_empty()).collect();
        let most = degree.iter().copied().max().unwrap_or(0) as usize;
        // The first place of every degree.
        let mut first = vec![0u32; most + 2];
        for &column in &order {
            first[degree[column as usize] as usize + 1] += 1;
        }
        for degree in 0..=most {
            first[degree + 1] += first[degree];
        }
        let mut place = vec![0u32; columns];
        let mut next = first.clone();
        for &column in &order {
            let next = &mut next[degree[column as usize] as usize];
            place[column as usize] = *next;
            *next += 1;
        }
        for column in order.clone() {
            order[place[column as usize] as usize] = column;
        }
        for i in 0..order.len() {
            let column = order[i];
            let least = degree[column as usize];
            neighbours(column, (columns + i) as u32, &mut |other| {
                let kind = degree[other] as usize;
                if degree[other] > least {
                    let (from, to) = (place[other] as usize, first[kind] as usize);
                    let exchanged = order[to] as usize;
                    order.swap(from, to);
                    (place[other], place[exchanged]) = (to as u32, from as u32);
                    first[kind] += 1;
                    degree[other] -= 1;
                }
            });
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proper(pattern: &Sparsity, groups: &[Vec<usize>]) {
        let mut seen = vec![0; pattern.columns()];
        for group in groups {
            let mut rows: Vec<u32> = group.iter().flat_map(|&column| pattern.column(column).to_vec()).collect();
            let count = rows.len();
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), count, "two columns of a group share a row");
            group.iter().for_each(|&column| seen[column] += 1);
        }
        for (column, &seen) in seen.iter().enumerate() {
            assert_eq!(seen, usize::from(!pattern.column(column).is_empty()));
        }
    }

    #[test]
    fn bands_need_as_many_colours_as_they_are_wide() {
        for (below, above) in [(0, 0), (1, 1), (0, 3), (2, 5)] {
            let pattern = Sparsity::banded(500, 500, below, above);
            let groups = pattern.colours(&[false; 500]).groups;
            proper(&pattern, &groups);
            assert_eq!(groups.len(), below + above + 1);
        }
    }

    #[test]
    fn an_arrow_needs_two() {
        // The last column is full, and nothing else but the diagonal is there.
        let n = 50;
        let mut entries: Vec<(u32, u32)> = (0..n).map(|i| (i, i)).collect();
        entries.extend((0..n).map(|i| (i, n - 1)));
        let pattern = Sparsity::new(n as usize, n as usize, entries).unwrap();
        let groups = pattern.colours(&vec![false; n as usize]).groups;
        proper(&pattern, &groups);
        assert_eq!(groups.len(), 2);
    }

    #[test]
    fn entries_outside_are_refused_and_doubles_are_one() {
        assert_eq!(Sparsity::new(2, 2, vec![(2, 0)]), None);
        let pattern = Sparsity::new(2, 3, vec![(1, 2), (0, 0), (1, 2)]).unwrap();
        assert_eq!(
            (pattern.count(), pattern.column(0), pattern.column(1), pattern.column(2)),
            (2, &[0][..], &[][..], &[1][..])
        );
        assert_eq!(pattern.transposed().transposed(), pattern);
    }

    proptest! {
        #[test]
        fn every_colouring_is_proper(
            entries in prop::collection::vec((0u32..30, 0u32..40), 0..200),
            apart in prop::collection::vec(any::<bool>(), 40),
        ) {
            let pattern = Sparsity::new(30, 40, entries).unwrap();
            let colouring = pattern.colours(&apart);
            let groups = colouring.groups.clone();
            proper(&pattern, &groups);
            prop_assert_eq!(&colouring, &Colouring::new(40, colouring.groups.clone()));
            for group in &groups {
                prop_assert!(group.iter().all(|&column| apart[column] == apart[group[0]]));
            }
        }
    }
}
