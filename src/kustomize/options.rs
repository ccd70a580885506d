//! How a kustomization is rendered.

/// How a kustomization is rendered.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where files may be.
    pub load_restrictor: LoadRestrictor,
    /// What to do about a folder without a kustomization file.
    pub plain_folders: PlainFolders,
    /// The order of objects, where the kustomization does not say one.
    pub order: Order,
}

/// Where the files of a kustomization may be; bases may always be anywhere in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadRestrictor {
    /// In or below its folder, as `kustomize build` has it.
    Root,
    /// Anywhere in the tree, as Flux has it.
    None,
}

/// What to do about a folder without a kustomization file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainFolders {
    /// Refuse it, as `kustomize build` does.
    Refused,
    /// Take every manifest below it, as Flux does. Only for the folder that is rendered, not for bases.
    Generated,
}

/// The order of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As written.
    AsWritten,
    /// By kind, as `kustomize build` does without further options.
    Legacy,
}

impl Options {
    /// What the agent does: Flux's behaviour, in the confines of the commit's tree.
    pub const AGENT: Self =
        Self { load_restrictor: LoadRestrictor::None, plain_folders: PlainFolders::Generated, order: Order::AsWritten };
}
